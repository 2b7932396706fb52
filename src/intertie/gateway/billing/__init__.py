"""Invoices, payments, credit, interest and the account with a partner."""
