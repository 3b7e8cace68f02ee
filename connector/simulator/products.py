"""What is sold: mostly ordinary goods, and every kind of text that breaks a careless reader."""

from typing import NamedTuple


class Product(NamedTuple):
    sku: str
    asin: str
    title: str | None
    cents: int


PRODUCTS = (
    Product("LAMP-BRASS-01", "B08N5WRWNW", "Brass desk lamp with dimmer", 4999),
    Product("MUG-STONE-WHT", "B07XJ8C8F5", "Stoneware mug, white, set of 4", 2450),
    Product("THROW-WOOL-GRY", "B09G9FPHY6", "Wool throw, grey, 130 x 180 cm", 6900),
    Product("KETTLE-17L", "B0BDHWDR12", "Gooseneck kettle 1.7 l", 5495),
    Product("BOARD-OAK-L", "B0CHX1W1XY", "Oak cutting board, large", 3999),
    Product("HOOK-CAST-3", "B0849J7W5X", "Cast iron wall hook (pack of 3)", 1895),
    Product("CLOCK-WALL-30", "B01LYCLS24", "Wall clock, silent, 30 cm", 3250),
    Product("TRAY-RATTAN", "B07PDHSPXT", "Rattan serving tray", 2799),
    Product("CANDLE-PINE", "B00FLYWNYQ", "Scented candle, pine and salt", 1600),
    Product("APRON-LINEN", "B06XCM9LJ4", "Linen apron", 3400),
    # Identifiers that spreadsheets and type guessers spoil.
    Product("000123", "0306406152", "Harbour towns of the north (paperback)", 1899),
    Product("0042-BLK", "B000000042", "Door mat, black", 2300),
    Product("1E10", "B0001E1000", "Shelf bracket 1E10", 999),
    Product("20250102", "B020250102", "Year planner 2025", 1250),
    Product("3-4", "B00JAN0304", "Hose adapter 3/4", 749),
    Product("TRUE", "B00TRUE000", "True north compass", 2999),
    Product("A,B", "B00COMMA01", "Salt, pepper, and sugar set", 2150),
    Product("SKU WITH SPACES ", "B00SPACE01", "  Two leading spaces and a trailing one ", 1100),
    # Titles that carry quotes, breaks, tabs and formulas.
    Product("RACK-19", "B00RACK190", '19" rack shelf, 2U, "deep"', 8999),
    Product("FRAME-8X10", "B00FRAME81", "Picture frame 8\" x 10' wire", 1749),
    Product("SOAP-NL", "B00NEWLINE", "Olive soap\nhand cut, 3 bars", 1350),
    Product("SOAP-CRLF", "B00CRLF001", "Laurel soap\r\nsmall batch", 1450),
    Product("TWINE-TAB", "B00TAB0001", "Garden twine\tgreen", 650),
    Product("CALC-EQ", "B00FORMULA", '=HYPERLINK("https://example.com/?x="&A1,"Offer")', 1999),
    Product("CALC-PLUS", "B00PLUS001", "+1 800 gift card holder", 599),
    Product("CALC-MINUS", "B00MINUS01", "-20 degree ice pack", 1250),
    Product("CALC-AT", "B00ATSIGN1", "@home door sign", 1599),
    Product("BACKSLASH", "B00BACKSL1", "Back\\slash \\N cable \\t tidy", 899),
    Product("MARKUP", "B00MARKUP1", "<b>Bold</b> tea & <script>alert('tea')</script>", 1299),
    Product("BRACES", "B00BRACES1", "{{ curly }} {% notebook %} 100%", 1199),
    # Letters from elsewhere.
    Product("CAFE-FR", "B00UNICODE", "Cafetière à piston – édition Noël", 4200),
    Product("TEE-JP", "B00JAPAN01", "急須 常滑焼 ２００ｍｌ", 5600),
    Product("LAMPE-DE", "B00GERMAN1", "Größe XL: Außenleuchte „Küste“", 7450),
    Product("RUG-AR", "B00ARABIC1", "سجادة صغيرة مصنوعة يدويا", 11900),
    Product("EMOJI", "B00EMOJI01", "Party lights 🎉👩‍👩‍👧‍👦 10 m", 2699),
    Product("COMBINE", "B00COMBINE", "Cafe\u0301 sign, zero\u200bwidth, nb\u00a0space", 1875),
    Product("LONG", "B00LONG001", "Extra long tablecloth " + "with woven border and hand-tied tassels " * 11, 9400),
    # Words that mean nothing, and nothing at all.
    Product("NULL", "B00NULL001", "NULL", 1005),
    Product("NA", "B00NA00001", "N/A", 1010),
    Product("UNTITLED", "B00UNTITLE", None, 1500),
    Product("EMPTY", "B00EMPTY01", "", 1500),
    Product("FREEBIE", "B00FREE001", "Free sample card", 0),
    Product("PENNY", "B00PENNY01", "Penny washer", 1),
    Product("DEAR", "B00DEAR001", "Carved walnut sideboard", 999999),
)
