"""Documents as tables for people with a spreadsheet: one line a row of the document, with a documented header (docs/csv.md)."""
