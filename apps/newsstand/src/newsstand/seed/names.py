"""Names to draw from. None is a real person's or company's, but by chance."""

from __future__ import annotations

__all__ = ["FIRST_NAMES", "LAST_NAMES", "PAPERS", "PAPER_TYPES", "VENDORS"]

FIRST_NAMES = (
    "Ada", "Amara", "Anselm", "Benno", "Birgit", "Chidi", "Clara", "Dario", "Delphine", "Edda",
    "Emre", "Farah", "Felix", "Greta", "Hanna", "Hugo", "Ines", "Ivo", "Jonas", "Jorun",
    "Kamala", "Kofi", "Lena", "Linus", "Luz", "Malik", "Mara", "Mei", "Mirko", "Nadia",
    "Nils", "Noor", "Olga", "Oskar", "Paula", "Pavel", "Quentin", "Rafael", "Rosa", "Ruben",
    "Samir", "Selma", "Tariq", "Thea", "Tomas", "Uma", "Valerie", "Viktor", "Yara", "Zeno",
)  # fmt: skip

LAST_NAMES = (
    "Abend", "Achterberg", "Bakare", "Birkholm", "Brook", "Castellan", "Corvin", "Dahlgren",
    "Delmar", "Eisenhut", "Fairlight", "Falk", "Ferro", "Gansevoort", "Grau", "Halloran",
    "Hartwig", "Ibarra", "Jansson", "Kestrel", "Kowal", "Lindqvist", "Lorenz", "Maribor",
    "Marsh", "Morrow", "Nakano", "Nordby", "Okafor", "Ostrow", "Pellegrin", "Quill",
    "Ravn", "Rosales", "Sandoval", "Silber", "Stellan", "Thorne", "Ulloa", "Vance",
    "Vesper", "Wieland", "Winter", "Yilmaz", "Zander",
)  # fmt: skip

VENDORS = (
    "Harbour Press", "Morningside Media", "Old Mill Publishing", "Lantern & Sons",
    "Riverbank Printers", "North Gate News", "Two Towers Verlag", "Bluebell Journals",
    "Copperfield House", "Sundial Weeklies", "Ferrymen's Gazette Co.", "Hilltop Editions",
)  # fmt: skip

PAPERS = (
    "The Harbour Courier", "The Morning Bell", "Mill Street Review", "The Evening Lantern",
    "Riverbank Times", "North Gate Observer", "Zwei Türme", "Bluebell Garden Monthly",
    "The Copper Ledger", "Sunday Sundial", "Ferryman's Gazette", "Hilltop Walker",
    "The Chess Corner", "Tide and Timber", "Little Lantern", "Market Day",
)  # fmt: skip

PAPER_TYPES = ("daily", "weekly", "monthly")
