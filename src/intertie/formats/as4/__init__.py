"""AS4 as the eDelivery common profile has it: ebMS 3.0 user messages and signals, secured by WS-Security (docs/as4.md)."""
