"""Every family of the trade walked at random, with the families it depends on: both gateways end with one book."""

from __future__ import annotations

import pytest
from tests.exchange.walk import SOAK, walks
from tests.exchange.walk_billing import BillingSteps
from tests.exchange.walk_contract import ContractSteps, DealSteps, EndSteps
from tests.exchange.walk_dispatch import DispatchSteps
from tests.exchange.walk_grid import GridSteps
from tests.exchange.walk_market import AvailabilitySteps, MarketSteps
from tests.exchange.walk_registration import RegistrationSteps

# Deep walks of a family take minutes; the limit of a test is for those that hang.
pytestmark = pytest.mark.timeout(3600 if SOAK else 300)


class Deals(DealSteps, ContractSteps, EndSteps):
    """Deals in services that are elected and not, under a contract that changes and ends."""


class Registration(RegistrationSteps, ContractSteps):
    """DERs come and go; the contract is amended, suspended and in default meanwhile."""


class Grid(GridSteps, RegistrationSteps):
    """Outages of a grid whose model changes, of DERs that come and go."""


class Dispatch(DispatchSteps, GridSteps):
    """Calls, with outages and limits in the middle of them."""


class DispatchOfDers(DispatchSteps, RegistrationSteps, EndSteps):
    """Calls of DERs that are suspended, leave, or are not decided on, under a contract that ends."""


class Market(MarketSteps, AvailabilitySteps):
    """Needs, offers, counters, orders, against what is declared."""


class Availability(AvailabilitySteps, GridSteps, RegistrationSteps):
    """Declarations, and what outages of DERs take of them."""


class Billing(BillingSteps, EndSteps):
    """Invoices, payments and disputes that cross, under a contract that ends."""


class Everything(
    MarketSteps, AvailabilitySteps, DispatchSteps, GridSteps, RegistrationSteps, DealSteps, ContractSteps
):
    """All at once, in SQLite files that are opened again and again."""

    ON_DISK = True


for _walk, _examples in (
    (Deals, 12),
    (Registration, 12),
    (Grid, 12),
    (Dispatch, 16),
    (DispatchOfDers, 12),
    (Market, 16),
    (Availability, 12),
    (Billing, 16),
    (Everything, 6),
):
    _walk.TestCase.settings = walks(_examples, 40)

TestDeals = Deals.TestCase
TestRegistration = Registration.TestCase
TestGrid = Grid.TestCase
TestDispatch = Dispatch.TestCase
TestDispatchOfDers = DispatchOfDers.TestCase
TestMarket = Market.TestCase
TestAvailability = Availability.TestCase
TestBilling = Billing.TestCase
TestEverything = Everything.TestCase
