"""Where the newsstand keeps its rows: one database, small repositories, serialised writes."""
