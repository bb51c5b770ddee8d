"""The demonstration: a minute of invented messengers, sent as any client would send them."""
