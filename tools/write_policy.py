"""Write docs/policy.md: how protection is computed, with the tables of algorithms.toml."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path

from intertie.catalogue.flow import Flow
from intertie.catalogue.load import load_catalogue
from intertie.catalogue.view import duration
from intertie.seal.algorithm_table import algorithms, parts_of, periods, rules
from intertie.seal.policy import holds_until, requirement
from intertie.seal.policy_settings import DEFAULT
from intertie.seal.profile import PROFILES

# The day that the examples of the page are computed for.
DAY = date(2026, 12, 1)
# The facts that [policy] can change; the others are said as they are.
SETTINGS = (
    "disallow_date",
    "harvest_horizon",
    "high_years",
    "default_profile",
    "hybrid_channel_from",
    "warn_days",
)
HEAD = """# Protection policy

For security officers and auditors. Written by `make docs`: the tables are `src/intertie/seal/algorithms.toml`, which
the program computes with.

Nobody chooses algorithms here, neither a sender nor an operator. What protects a message follows from what its flow
needs (the catalogue, [interfaces.md](interfaces.md)), from the day, and from the dates below. Ask for any document:

```sh
intertie policy explain --interface DA --document invoice
intertie policy explain --interface DA --document availability_declaration --mode real_time --json
intertie policy explain --interface DA --document availability_declaration --mode real_time --on 2031-01-01
```

Each step comes with its source and how sure it is. With `--partner` it says what that partner's keys can do, and what
will be used. It needs no gateway; where there is one, its settings count.

## How it is computed

1. The flow says how much secrecy and integrity matter, whether its sender may deny it later, and for how long all that
   must hold (`protect_for`). From today on, that is a day: *protect until*.
2. A quantum computer breaks *asymmetric* algorithms on curves and factoring outright: signatures can then be forged, and
   what was sealed, opened. No key size helps; other algorithms do.
3. It only takes bits from *symmetric* ones, and from hashes. There a longer key is enough: 256 bits keep at least 128.
4. What crosses a network can be kept by whoever listens. So the day that counts is not the one on which classical
   algorithms are disallowed but the *harvest horizon* before it: what must hold beyond it has post-quantum algorithms
   today, beside the classical ones (hybrid: both would have to break).
5. A secret of high worth that lives for a generation of algorithms gets NIST's category 5. A proof does not need that:
   it can be renewed under stronger algorithms before it lapses; a secret that was recorded cannot be called back.
6. The profile is the weakest one that holds until that day. If none does, it is the strongest there is, and
   `intertie policy check` says that evidence has to be renewed on the way.

What must hold for longer, is worth more, or is sent later never gets less (`tests/unit/seal/test_seal_policy.py` tries
that with random needs, days and settings).

What is *sent* is at least the default profile. A partner that has only classical keys gets what may be classical; a
message that needs more is refused before a byte of it leaves, with the reason, and the others go. The recipient computes
the same from its own settings, and refuses what is too weak for a message, message by message.

There is no way to ask for less: `seal_parcel` takes messages only as `policy` protected them, from their own headers, and
has no parameter for a profile; a received message's flow can be had only from what its parcel's signatures proved
(`seal/protect.py`; `tests/unit/seal/test_no_way_round.py` tries the ways round, and mypy refuses each).

A descriptor is protected like what it is, a record everybody may read, for as long as it is valid: one that ends after
the harvest horizon has to be signed with a hybrid profile, and a newer one cannot take a profile away.
"""
CONNECTION = """## The connection

TLS 1.3 with certificates on both sides, always. The parcel seals its content by itself, so any group will do; a hybrid
one goes first. A parcel's header, though (who writes to whom, when, how much), is seen by whoever opens the connection
later. A flow of the catalogue can therefore ask for `channel = "hybrid"`; none does, because a host whose TLS engine has
no hybrid group could then not send at all. A gateway can ask for it with `hybrid_channel_from = "high"`: every flow of
that confidentiality or more whose protection outlives the horizon then waits for a hybrid connection
(`transport_too_weak` at the recipient), and the others go meanwhile.
"""
CHANGE = """## When a date changes

| if | then set in `intertie.toml` | and |
|---|---|---|
| NIST IR 8547 becomes final with another date | `[policy] disallow_date` | `check` |
| you want post-quantum algorithms sooner, or later | `[policy] harvest_horizon` | `check`: partners that lack keys |
| an algorithm is weakened | `[[policy.ends]]`, `algorithm = "ML-DSA-65"`, `day = 2028-06-30` | `check`, then renew evidence |
| your authority issues for one year only | `[policy.key_days] signature = 365` | `check` |
| partners' engines all negotiate a hybrid group | `[policy] hybrid_channel_from = "high"` | watch for messages that wait |

Settings are read at start. They may say more or less than the defaults, and every derivation then names intertie.toml as
its source. Key lifetimes cannot be longer than SP 800-57 allows.

## What falls short, and what is here

```sh
intertie init city.example --role distribution_utility --dir u
intertie policy check --dir u
intertie policy check --within 800d --json --dir u
intertie policy inventory --dir u -o cbom.json
```

`check` lists certificates and keys that end or are too old, trust roots, descriptors, partners without keys for a flow
between us, and algorithms that end before what they protect: now, or within 90 days, each with what to do. It exits with 1
if something falls short now, so that a monitor can run it. A signing or TLS key is as old as its certificate; a key to open
with has no certificate and counts as old as the oldest signing key beside it.

`inventory` writes a cryptographic bill of materials (CycloneDX 1.6): every algorithm with its NIST quantum security level,
the protocols and profiles made of them, certificates and keys and how they refer to each other. It names private keys and
holds none.
"""


def render() -> str:
    """The page."""
    parts = (
        HEAD,
        _settings(),
        _profiles(),
        _flows(),
        _algorithms(),
        _periods(),
        _facts(),
        CONNECTION,
        CHANGE,
    )
    return "\n".join(parts)


def write(root: Path) -> None:
    """Write the page into a checkout."""
    (root / "docs" / "policy.md").write_text(render(), encoding="utf-8")


def _settings() -> str:
    rows = [
        (f"`{name}`", f"`{rules()[name].value}`", rules()[name].source, rules()[name].certainty)
        for name in SETTINGS
    ]
    intro = "Certainty: *final* (published, final), *draft* (published, not final), *memory* (the text was not at hand:\n"
    intro += "look it up before relying on it), *choice* (of this project)."
    return _section(
        "The dates and choices, `[policy]`", intro, ("setting", "default", "source", "certainty"), rows
    )


def _profiles() -> str:
    rows = []
    for profile in PROFILES.values():
        end = holds_until(profile, DEFAULT)
        names = [f"`{part.name}`" for part in parts_of(profile)]
        rows.append((f"`{profile.name}`", ", ".join(names), str(end) if end else "no end known"))
    intro = "All signatures must verify, so the one that lives longest carries the proof; everything else must hold by itself."
    return _section("The profiles", intro, ("profile", "algorithms", "holds until"), rows)


def _flows() -> str:
    """Flows with the same needs, as one row."""
    groups: defaultdict[tuple[str, ...], list[Flow]] = defaultdict(list)
    for flow in load_catalogue().flows():
        needs = requirement(flow, DAY, DEFAULT)
        denied = "no" if flow.non_repudiation else "yes"
        held = duration(flow.protect_for_days * 86400)
        key = (flow.mode, flow.confidentiality, flow.integrity, denied, held, str(needs.protect_until))
        groups[(*key, f"`{needs.profile.name}`")].append(flow)
    rows = [(*key[:5], _some(flows), str(len(flows)), *key[5:]) for key, flows in sorted(groups.items())]
    columns = (
        "mode",
        "confidentiality",
        "integrity",
        "deniable",
        "protect for",
        "for example",
        "flows",
        "protect until",
    )
    intro = f"Of the 18 interfaces, by what they need, for a message sent on {DAY}."
    return _section("What follows for the flows", intro, (*columns, "profile"), rows)


def _some(flows: list[Flow]) -> str:
    names = sorted({f"{flow.interface} {flow.document}" for flow in flows})
    return ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")


def _algorithms() -> str:
    rows = [
        (
            f"`{part.name}`",
            part.kind,
            part.family,
            part.size,
            str(part.strength),
            str(part.category) if part.quantum_safe else "broken",
            part.until or "no end known",
            part.source,
            part.certainty,
        )
        for part in algorithms().values()
    ]
    columns = (
        "algorithm",
        "kind",
        "family",
        "key size",
        "bits",
        "quantum category",
        "until",
        "source",
        "certainty",
    )
    intro = "Bits are against computers of today. Quantum categories are NIST's: 1, 3, 5 as hard as a key search on AES-128,\n"
    intro += "AES-192, AES-256; 2 as a collision of SHA-256. RSA is here for external authorities only, groups for TLS."
    return _section("The algorithms", intro, columns, rows)


def _periods() -> str:
    rows = [
        (
            f"`{period.key}`",
            period.family,
            period.use,
            f"{period.days} days" if period.days else "one parcel",
            f"{period.most} days" if period.most else "",
            period.source,
            period.certainty,
        )
        for period in periods().values()
    ]
    columns = ("key", "family", "it", "default", "at most", "source", "certainty")
    intro = "How long a key of each type is used (its cryptoperiod); `[policy.key_days]` sets it."
    return _section("Key lifetimes", intro, columns, rows)


def _facts() -> str:
    rows = [
        (f"`{fact.name}`", fact.value, fact.source, fact.certainty)
        for fact in rules().values()
        if fact.name not in SETTINGS
    ]
    return _section(
        "Other facts", "What the derivation cites besides.", ("fact", "value", "source", "certainty"), rows
    )


def _section(title: str, intro: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [
        f"## {title}",
        "",
        intro,
        "",
        _row(*columns),
        "|---" * len(columns) + "|",
        *(_row(*row) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    """A table row; a bar inside a cell would end it."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
