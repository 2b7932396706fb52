"""The rules of billing and payment, by name."""

from __future__ import annotations

from intertie.market.event import Rule

NAESB = "NAESB base-contract pattern"
TALK = "conversation integrity"

NAME = Rule("billing.name", "A name of an invoice or a credit memo is used once.", TALK)
CURRENCY = Rule(
    "billing.currency",
    "Invoices, credits and payments are in the currency of the cover sheet.",
    "cover sheet: currency",
)
ISSUED = Rule(
    "billing.issued", "An invoice or credit memo is not issued on a day that is still to come.", TALK
)
DUE = Rule(
    "billing.due",
    "An invoice asks to be paid no earlier than the cover sheet's payment date, on a business day.",
    "cover sheet: payment_day_of_month, payment_least_days, payment_days",
)
WINDOW = Rule(
    "billing.adjustment_window",
    "What a period comes to is charged, corrected or credited only so many months after it.",
    "cover sheet: adjustment_window_months",
)
DEAL = Rule("billing.deal", "An invoice for a deal names one that both agreed to.", NAESB)
CORRECTS = Rule(
    "billing.corrects",
    "A correction names an invoice of its own issuer, of the same agreement, that nothing has replaced.",
    "X12 810 original invoice; " + TALK,
)
INTEREST = Rule(
    "billing.interest",
    "Interest is charged for a late invoice of one's own, and no more than the contract's rate comes to.",
    "cover sheet: late_interest_percent_per_year, day_count",
)
CREDIT = Rule(
    "billing.credit",
    "A credit memo lowers lines of an invoice of its own issuer that stands, by no more than they come to.",
    NAESB,
)
REMITTANCE = Rule(
    "billing.remittance_once",
    "A remittance is said once: by its name, and by its bank reference.",
    "X12 820 TRN",
)
UNKNOWN = Rule(
    "billing.unknown_invoice", "A payment is for invoices between the two parties under the agreement.", TALK
)
PAID_ON = Rule("billing.paid_on", "A remittance says what was paid, not what will be.", "X12 820 BPR16")
TWICE = Rule("billing.paid_twice", "What is settled is not paid again.", NAESB)
USED = Rule("billing.credit_used", "A payment uses no more of a credit, or of a debt, than there is.", NAESB)
NETTING = Rule(
    "billing.netting",
    "A payment is lowered by what the other side owes only if netting is elected, and only by what is not disputed.",
    "cover sheet: netting",
)
HELD = Rule("billing.held_back", "A payment that is lower for a dispute names one of that invoice.", NAESB)
ACCOUNT = Rule(
    "billing.account",
    "A statement of account is said once, of a time that is over, and names the contract's parties and currency.",
    "WGQ 3.4.3",
)
RULES = (
    *(NAME, CURRENCY, ISSUED, DUE, WINDOW, DEAL, CORRECTS, INTEREST, CREDIT),
    *(REMITTANCE, UNKNOWN, PAID_ON, TWICE, USED, NETTING, HELD, ACCOUNT),
)
