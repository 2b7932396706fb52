"""Acts of the trade: contract, registration, availability, market, dispatch and outages, over the book with a partner."""
