"""The newsstand for servers and tools that import it: ``newsstand.main:app``.

Importing it reads the configuration; nothing is opened before the application is started.
``newsstand.main:messaging`` is for the commands of anymq that take an application.
"""

from __future__ import annotations

from newsstand.desk import build_desk
from newsstand.settings import load_settings
from newsstand.web.application import create_application

__all__ = ["app", "desk", "messaging"]

desk = build_desk(load_settings())
app = create_application(desk)
messaging = desk.messaging
