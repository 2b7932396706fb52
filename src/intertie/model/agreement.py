"""The base contract between a utility and an aggregator: cover sheet, general terms by hash, signatures, and its notices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from intertie.model.contract import ROUNDING, Revision, Weekday
from intertie.model.ids import AgreementRef, PartyName, ShortText, Text
from intertie.model.interval import STEPS_SECONDS, Instant, ZoneName
from intertie.model.quantity import Currency
from intertie.model.record import Record, RuleError
from intertie.model.rules import between, needs, no_repeats, not_negative

# Holidays of a calendar: a dozen a year, stated for as long as a contract may run.
HOLIDAYS_MAX = 500
# No deadline of a base contract is longer than a year.
DAYS_MAX = 366
# Interval lengths of markets and meters in use: 5, 10, 15 and 30 minutes, and the hour.
INTERVALS_SECONDS = (300, 600, 900, 1800, 3600)

Days = Annotated[int, Meta(ge=0, le=DAYS_MAX)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?!\n)$")]


class TransactionProcedure(StrEnum):
    """How a deal comes about (NAESB base contract, cover sheet: oral or written transaction procedure)."""

    WRITTEN = "written"  # binding once confirmed
    ORAL = "oral"  # binding once agreed; the confirmation is its record


class ConfirmingParty(StrEnum):
    """Who writes the transaction confirmation."""

    BUYER = "buyer"
    SELLER = "seller"
    EITHER = "either"


class PerformanceObligation(StrEnum):
    """What a party owes that does not deliver or take (NAESB base contract: cover standard or spot price standard)."""

    COVER = "cover"
    SPOT_PRICE = "spot_price"
    PENALTY = "penalty"  # the penalty rate of the confirmation


class Netting(StrEnum):
    """Whether what both owe each other in a month is paid as one amount."""

    NETTED = "netted"
    GROSS = "gross"


class DayCount(StrEnum):
    """How many years so many days are, for interest."""

    ACTUAL_365 = "actual_365"
    ACTUAL_360 = "actual_360"
    THIRTY_360 = "thirty_360"  # months of 30 days: the 31st counts as the 30th


class Confidentiality(StrEnum):
    """Whether the terms of deals are kept from third persons."""

    APPLIES = "applies"
    DOES_NOT_APPLY = "does_not_apply"


class DisputeResolution(StrEnum):
    """Where a dispute goes that the parties cannot settle."""

    NEGOTIATION = "negotiation"
    MEDIATION = "mediation"
    ARBITRATION = "arbitration"
    COURT = "court"
    COMMISSION = "commission"  # the state's regulator


class Calendar(Record, frozen=True, kw_only=True):
    """Which days are business days: those that are neither of the weekend nor holidays, in this zone, each with its hours'
    end (`close_hour`), after which what arrives counts as of the next one."""

    name: ShortText
    zone: ZoneName
    holidays: Annotated[tuple[date, ...], Meta(max_length=HOLIDAYS_MAX)] = ()
    weekend: Annotated[tuple[Weekday, ...], Meta(max_length=6)] = (Weekday.SATURDAY, Weekday.SUNDAY)
    close_hour: Annotated[int, Meta(ge=1, le=24)] = 17

    def check(self) -> None:
        """Each day once; at most six weekend days, so that a business day comes."""
        no_repeats("holidays", self.holidays)
        no_repeats("weekend", self.weekend)


class Elections(Record, frozen=True, kw_only=True):
    """The cover sheet: what the parties elect, each with the default that holds where they say nothing.

    After the NAESB base-contract pattern. Its defaults are not public for distribution services; those here are those of
    the gas and power contracts where they have one (confirm deadline two business days, payment on the 25th), else ours.
    """

    transaction_procedure: TransactionProcedure = TransactionProcedure.WRITTEN
    confirm_deadline_business_days: Days = 2
    confirming_party: ConfirmingParty = ConfirmingParty.BUYER
    performance_obligation: PerformanceObligation = PerformanceObligation.PENALTY
    # An invoice is due on this day of the month after delivery, or so many days (`payment_least_days`) after it was issued if
    # that is later; with `payment_days`, so many days after it was issued. Then on the next business day.
    payment_day_of_month: Annotated[int, Meta(ge=1, le=28)] = 25
    payment_least_days: Days = 10
    payment_days: Days | None = None
    # Simple interest on what is paid late. The pattern's rate (prime + 2 %) is published elsewhere: the parties state a number.
    late_interest_percent_per_year: Decimal = Decimal(0)
    day_count: DayCount = DayCount.ACTUAL_365
    netting: Netting = Netting.NETTED
    confidentiality: Confidentiality = Confidentiality.APPLIES
    dispute_resolution: DisputeResolution = DisputeResolution.NEGOTIATION
    dispute_days: Days = 30
    adjustment_window_months: Annotated[int, Meta(ge=0, le=120)] = 24
    tolerance_percent: Decimal = Decimal(1)
    rounding: ShortText = ROUNDING
    currency: Currency = "USD"
    cure_business_days: Days = 10
    termination_notice_days: Days = 30
    energy: bool = False
    # The most that anything offered, asked or ordered may cost, per kWh, in `currency`; None: the price is free.
    price_cap_per_kwh: Decimal | None = None
    interval_seconds: Annotated[tuple[int, ...], Meta(min_length=1, max_length=len(STEPS_SECONDS))] = (
        INTERVALS_SECONDS
    )
    unsolicited_offers: bool = True

    def check(self) -> None:
        """The tolerance is a share of a line; no price is below zero; interval lengths are known, each named once."""
        between(self, 0, 100, "tolerance_percent", "late_interest_percent_per_year")
        not_negative(self, "price_cap_per_kwh")
        no_repeats("interval_seconds", self.interval_seconds)
        if any(step not in STEPS_SECONDS for step in self.interval_seconds):
            raise RuleError(f"interval_seconds: none of {STEPS_SECONDS}")


class GeneralTerms(Record, frozen=True, kw_only=True):
    """The text that both have on paper, named by its hash: a changed copy is another text."""

    title: ShortText
    edition: ShortText
    sha256: Sha256


class BaseContract(Record, frozen=True, kw_only=True):
    """A proposal of a base contract, or of an amendment of one in force: the whole text each time.

    Revision 1 opens; a counter-proposal or an amendment is the next revision, from either side. In force once both have
    signed the same revision, from `effective` up to, not including, `ends`. After the NAESB base-contract pattern.
    """

    agreement: AgreementRef
    revision: Revision = 1
    buyer: PartyName  # the distribution utility
    seller: PartyName  # the aggregator
    effective: Instant
    ends: Instant | None = None
    elections: Elections = Elections()
    general_terms: GeneralTerms
    calendar: Calendar
    special_provisions: Text = ""

    def check(self) -> None:
        """Two parties, and some time."""
        if self.buyer == self.seller:
            raise RuleError("seller: the buyer itself")
        if self.ends is not None and self.ends <= self.effective:
            raise RuleError("ends: not after effective")


class ContractSignature(Record, frozen=True, kw_only=True):
    """One party's signature under a revision; `terms` is the hash of what it read (`intertie trade show` prints it)."""

    agreement: AgreementRef
    revision: Revision
    terms: Sha256
    signatory: ShortText = ""


class ContractAction(StrEnum):
    """What a notice does to the contract."""

    DECLINE = "decline"  # a proposal, or an amendment
    SUSPEND = "suspend"
    RESUME = "resume"
    DEFAULT = "default"  # the recipient is in default
    CURE = "cure"  # the default that we declared is cured
    TERMINATE = "terminate"


class DefaultReason(StrEnum):
    """Events of default (NAESB base contract, section on financial responsibility and defaults)."""

    FAILURE_TO_PAY = "failure_to_pay"
    INSOLVENCY = "insolvency"
    NO_SECURITY = "no_security"
    MISREPRESENTATION = "misrepresentation"
    NON_PERFORMANCE = "non_performance"
    BREACH = "breach"


class ContractNotice(Record, frozen=True, kw_only=True):
    """A notice under a base contract. `revision` is the one that is declined, or in force; `effective`: when a termination
    takes effect, at once if it is left out; `reason`: of an event of default."""

    agreement: AgreementRef
    revision: Revision
    action: ContractAction
    effective: Instant | None = None
    reason: DefaultReason | None = None
    text: Text = ""

    def check(self) -> None:
        """A default has its reason; only a termination takes effect later."""
        if self.action is ContractAction.DEFAULT:
            needs(self, self.action, "reason")
        elif self.reason is not None:
            raise RuleError("reason: only of an event of default")
        if self.effective is not None and self.action is not ContractAction.TERMINATE:
            raise RuleError("effective: only of a termination")
