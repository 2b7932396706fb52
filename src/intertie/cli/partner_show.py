"""`intertie partner show`: how one partner stands."""

from __future__ import annotations

from intertie.cli._onboarding import print_proof
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, print_pairs, when
from intertie.cli.partner_legacy import legacy_lines
from intertie.gateway.partners.prove_partner import read_proof
from intertie.gateway.sending.choosing import choose
from intertie.run import opened
from intertie.run.onboarding import find_partner_entry, line_json
from intertie.seal.certificates import read_certificate, thumbprint
from intertie.seal.descriptor import Descriptor


def show(party: PartyOption, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Show one partner: state, words, agreements, keys with their ends, and the proof of its flows.

    Parameters
    ----------
    party
        The partner.
    """
    with opened(dir) as it:
        entry = find_partner_entry(it, party)
        trial = entry.standing.trial
        spoken_here = [name for name, way in it.gateway.translators.items() if way is not None]
        way = choose(entry.partner, spoken_here, it.clock().date())
        lines = read_proof(it.gateway, entry.partner, trial) if trial else []
    descriptor, standing = entry.descriptor, entry.standing
    certificates = _certificates(descriptor)
    foreign = entry.partner.foreign
    spoken = legacy_lines(foreign) if foreign is not None else []
    if json:
        print_json(
            {
                "party": party,
                "name": descriptor.name,
                "roles": sorted(descriptor.roles),
                "url": descriptor.url,
                "goes_by": {"binding": way.binding, "why": way.why},
                "state": standing.state,
                "suspended": standing.suspended,
                "added": standing.added,
                "invitation": standing.joining,
                "words": standing.words,
                "covers": standing.covers,
                "agreements": standing.agreements,
                "descriptor": {"sequence": descriptor.sequence, "until": descriptor.until},
                "certificates": certificates,
                "sealing": [{"kid": kid, "suite": key.suite} for kid, key in descriptor.keys.sealing.items()],
                "flows": list(map(line_json, lines)),
                "legacy": dict(spoken),
            }
        )
        return
    print_pairs(
        [
            ("party", f"{party} ({descriptor.name})"),
            ("state", f"{standing.state}{', suspended' if standing.suspended else ''}"),
            ("roles", ", ".join(sorted(descriptor.roles))),
            ("door", descriptor.url or "(none: it comes for its parcels here)"),
            ("goes by", f"{way.binding}: {way.why}"),
            ("words", standing.words),
            *spoken,
            *(
                ("agreement", f"{a.id} {when(a.start)} to {when(a.end) or '(open)'}")
                for a in standing.agreements
            ),
            ("descriptor", f"number {descriptor.sequence}, until {when(descriptor.until)}"),
            *(
                ("certificate", f"{c['alg']} {str(c['sha256'])[:16]} until {c['until']}")
                for c in certificates
            ),
            *(("seals with", f"{key.suite} {kid[:16]}") for kid, key in descriptor.keys.sealing.items()),
        ]
    )
    if lines:
        print_proof(party, lines)


def _certificates(descriptor: Descriptor) -> list[dict[str, object]]:
    """Each signing certificate, newest first per algorithm, with the time until which it counts."""
    return [
        {
            "alg": alg,
            "sha256": thumbprint(chain[0]).hex(),
            "until": when(
                descriptor.keys.ends.get(thumbprint(chain[0]), read_certificate(chain[0]).not_valid_after_utc)
            ),
        }
        for alg, chains in sorted(descriptor.keys.signing.items())
        for chain in chains
    ]
