"""The commented settings file that `intertie init` writes: every setting with its default."""

from __future__ import annotations

TEMPLATE = """\
# Settings of one Intertie gateway. Restart `intertie serve` after a change.
# A line that begins with '#' shows a default; take the '#' away to change it.

[party]
id = {id}
name = {name}
roles = {roles}          # of the fourteen roles that `intertie interfaces matrix` lists

# The street door: where partners reach this gateway, over mutual TLS 1.3. Both empty: no partner can reach us, and we come
# for our parcels at partners' doors; `intertie keys rotate` then tells them (docs/operations.md, "Without a door").
[street]
url = {url}          # what partners are told (descriptor.json says it too: signed)
listen = {listen}          # host:port on this machine
# connections = 512          # at most, over all partners
# connections_per_partner = 64
# workers = 4                # threads that check parcels
# header_seconds = 10.0      # then a silent connection is closed
# body_seconds = 90.0        # for a whole parcel to arrive
# idle_seconds = 15.0        # of silence within a parcel
# keep_alive_seconds = 75.0
# held_bytes = 268435456     # parcels in memory at once
# parcels_at_once = 128      # being received, over all partners; from half of it on, what can wait is asked to
# bytes_per_second_least = 4096.0   # a body that comes slower is cut

# What one partner may send before it is asked to wait (429).
[quota]
# parcels_per_second = 50.0
# parcels_burst = 500.0
# bytes_per_second = 33554432.0
# bytes_burst = 536870912.0
# messages_per_second = 30000.0
# messages_burst = 500000.0
# parcels_in_flight = 8        # being received at once
# urgent_per_second = 10.0     # parcels that are believed to be urgent when they say so
# urgent_burst = 100.0
# One partner's own: the same table in partners/PARTY.toml.

# How long to wait for a partner's door. After that the same bytes are sent again, later.
[delivery]
# connect_seconds = 10.0
# answer_seconds = 60.0

# Parcels for partners without a door, who come for them by long poll.
[pull]
# wait_seconds = 30.0          # an open request is answered after this at the latest; and so long ours stay open
# again_seconds = 15.0         # without a receipt the same bytes are handed out again
# polls_per_partner = 2

[store]
# file = "store.db"
# url = ""                   # "postgresql://intertie@db.example/intertie": that database in place of the file
# schema = "intertie"
# password_file = ""         # one line; or PGPASSWORD, PGPASSFILE, a client certificate (docs/stores.md)

# How many days a body is kept once its message is done, where it is not what the catalogue says.
# `intertie erase --expired` erases what is older; hash, receipt and journal stay.
[retention]
# For ten years of invoices: "DA/invoice" = 3660

[limits]
# parcel_bytes = 67108864           # the largest parcel taken
# messages_per_parcel = 4096
# parcel_target_bytes = 4194304     # parcels grow to this under load
# clock_skew_seconds = 30           # how far a partner's clock may be ahead
# retry_first_seconds = 1.0
# retry_ceiling_seconds = 300.0

# Parcels of others that are handed on, sealed as they are. Without a route none is. docs/relay.md.
[relay]
# waiting_parcels = 1000            # of one sender, not handed on yet
# waiting_bytes = 1073741824
# keep_days = 31                    # at most, whatever a sender says
# hops = 3                          # over so many relays our own parcels may go
#   [[relay.routes]]
#   from = ["aggregator.example"]
#   to = ["home.example"]           # the way back is another route
#   next = ""                       # another relay that takes them on; empty: they go to their recipient
#   by = ""                         # the relay that hands them in; empty: their sender does

# The door for those who have an invitation's code (`intertie partner invite`): open only while an invitation is.
[joining]
# listen = "127.0.0.1:8453"
# address = ""                 # host:port that the code says; empty: the host of [street] url, the port of listen
# seconds = 30.0               # for one joining, all in all
# connections = 16
# attempts_per_minute = 10.0   # of one address

# Dates and choices of the protection policy; docs/policy.md says where each default comes from.
[policy]
# disallow_date = 2035-12-31        # classical public-key algorithms end
# harvest_horizon = 2030-12-31      # what must hold for longer needs post-quantum algorithms from today
# high_years = 20                   # secrets of high worth for as long get category 5
# default_profile = "hybrid"        # or "classical", "hybrid-high": what is sent unless a flow needs more
# hybrid_channel_from = "never"     # or "low", "moderate", "high": long-lived flows that need a hybrid connection too
# warn_days = 90                    # `intertie policy check` looks so far ahead

# For how many days a key is used at most.
[policy.key_days]
# signature = 730
# sealing = 730
# tls = 730
# token = 365
# wrapping = 730
# data = 31

# An algorithm that ends on another day than docs/policy.md says: [[policy.ends]] with `algorithm` and `day`.

# The engine: "openssl" is the one that comes with this program and negotiates hybrid (post-quantum) groups everywhere;
# "stdlib" is Python's own, with the groups of this machine; "auto" is "openssl" where it can be had.
[tls]
# engine = "auto"
# groups = ["X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "x25519", "secp256r1"]   # best first

# Access tokens that partners get at this door. docs/authorization.md explains.
[authorization]
# token_seconds = 300               # how long one lives

# Where the secret is that opens the keys at rest. How they are protected, `intertie keys protect` says and changes.
[keys]
{passphrase}   # its first line; mode 600. INTERTIE_PASSPHRASE_FILE goes before it
#   pkcs11_module = "/usr/lib/softhsm/libsofthsm2.so"
# pkcs11_token = "intertie"
#   pkcs11_pin_file = "pin.txt"

# Rehearsals only: a file that holds the time, as 2026-01-15T08:00:00Z. Never set this in operation.
[clock]
{clock}

# Revoked certificates. `require`: "if_listed" refuses an authority's certificates once its list, if one is here, is out of
# date; "always" also while there is none; "never" only believes the lists. docs/identity.md says more.
[revocation]
# require = "if_listed"
# fetch = true                # lists, from where certificates say they are
# crls = []                   # and from these addresses
# ocsp = true                 # ask the responders that partners' certificates name
# ocsp_hash = "sha256"        # or "sha1", for responders that know nothing else
# refresh_seconds = 3600.0
# fetch_seconds = 15.0        # for one answer

# The door for those who run this gateway: /healthz, /readyz, /metrics. docs/operations.md explains.
[operations]
# listen = "127.0.0.1:0"        # 0: a free port, which `intertie status` finds; "" closes it
# anywhere = false              # true: `listen` may lead off this machine. The door asks nobody who they are

# The door for our own staff and systems: the office API (docs/api.md). Who comes in needs a key: `intertie api key add`.
[office]
# listen = ""                   # as "127.0.0.1:8460"; "" closes it
# tls = "off"                   # plain HTTP on loopback; "own": this gateway's certificate; "file": these, in PEM
# certificate = ""
# key = ""
# processes = 1
# connections = 128             # of each process, streams of events among them
# nice = 10                     # by how much it gives way to the processes that serve partners; 0: not at all
# two_people = []             # acts at the portal that a second person approves: payment, override, partner, person, key

# Signing in at the portal by your organisation's own sign-on (OpenID Connect). docs/portal.md.
[oidc]
# issuer = ""                 # the provider, as "https://login.example.org"; empty: none
# client = ""                 # who this portal is to it
# secret_file = ""            # the client's secret, in this directory
# claim = "email"             # of the ID token: the person's name here
# label = "your organisation" # what the button says
# seconds = 10.0

[log]
# format = "json"               # or "text"

# Traces by OpenTelemetry, if it is installed: as "http://127.0.0.1:4318/v1/traces".
[telemetry]
# otlp_endpoint = ""

# Whom to write to when an outage notice or a dispatch is not acknowledged in the time of its flow. Without host: nobody;
# `intertie outbox --escalated` lists them either way. A mail says message id, flow, partner and age, nothing else.
[escalation]
# host = ""                     # as "mail.example"
# port = 587
# starttls = true               # false only for a server on this machine
# from = ""                     # as "intertie@utility.example"
# to = []                       # as ["operator@utility.example"]
# user = ""
# password_file = ""            # its first line; mode 600
# ca_file = ""                  # PEM, if the authority of the server's certificate is your own
# seconds = 20.0

# Files beside messages. What waits is what has come, or was begun, and no accepted message names. docs/attachments.md.
[attachments]
# folder = "attachments"
# file_bytes = 2147483648     # the largest file
# waiting_bytes = 4296015872  # of one partner
# waiting_files = 256
# waiting_days = 7            # then it is removed
# free_bytes = 1073741824     # left on the disk for messages
# uploads = 4                 # connections that bring files at once, of one partner

# Partners that speak UFTP (Shapeshifter) in place of parcels. docs/uftp.md.
[uftp]
# domain = ""                 # ours in UFTP, as "dso.example"; empty: nobody speaks it here
# listen = ""                 # host:port of the door, as "127.0.0.1:8480"
# certificate = ""            # PEM chain and key for TLS; without them only on this machine, behind something that ends TLS
# key = ""
# body_bytes = 6291456
# connections = 64
# posts_per_minute = 600.0    # of one address
# seconds = 30.0              # for a post of ours to be taken

# Partners that speak AS2 in place of parcels. docs/as2.md.
[as2]
# name = ""                   # our AS2-From; empty: nobody speaks it here
# key_number = 1              # of our key that signs; another one is made by naming it, those before it still open
# listen = ""                 # host:port of the door, as "127.0.0.1:8490"; path /as2
# certificate = ""            # PEM chain and key for TLS; without them only on this machine, behind something that ends TLS
# key = ""
# receipts_url = ""           # our door as partners reach it, for receipts that come later
# body_bytes = 5242880        # of a message as it comes
# file_bytes = 5242880        # of a file when decompressed
# connections = 64
# posts_per_minute = 600.0    # of one address
# seconds = 60.0              # for a post of ours to be taken and receipted

# Partners that speak AS4 in place of parcels. docs/as4.md.
[as4]
# party_id = ""               # our PartyId; empty: nobody speaks it here
# key_number = 1              # of our key that signs; another one is made by naming it, those before it still open
# party_type = ""             # its type
# listen = ""                 # host:port of the door, as "127.0.0.1:8495"; path /as4
# certificate = ""            # PEM chain and key for TLS; without them only on this machine, behind something that ends TLS
# key = ""
# body_bytes = 5242880        # of a message as it comes
# file_bytes = 5242880        # of a file when decompressed
# connections = 64
# posts_per_minute = 600.0    # of one address
# seconds = 60.0              # for a post of ours to be taken and receipted

# Partners that speak NAESB Internet ET. docs/internet-et.md.
[internet_et]
# code = ""                   # our Common Code Identifier (D-U-N-S); empty: nobody speaks it here
# server = "intertie"         # `server-id` of our receipts: the name of this door
# key_number = 1              # of our OpenPGP key that signs; another one is made by naming it, those before it still open
# listen = ""                 # host:port of the door, as "127.0.0.1:6304"; path /internet-et, or / alone
# certificate = ""            # PEM chain and key for TLS; without them only on this machine, behind something that ends TLS
# key = ""
# body_bytes = 7340032        # of a request
# file_bytes = 5242880        # of a file when decompressed
# connections = 32
# posts_per_minute = 300.0    # of one address
# seconds = 60.0              # for a post of ours to be taken and receipted
# retry_minutes = 15.0        # between attempts: the third that fails is an Exchange Failure

# Partners that exchange files by SFTP. docs/sftp.md.
[sftp]
# enabled = false
# listen = ""                 # host:port of our mailbox, as "0.0.0.0:2022"; empty: we go to partners' servers alone
# folder = "sftp"             # where the mailboxes are
# file_bytes = 5242880
# files = 1000                # of one partner, not taken in yet
# uploads_per_minute = 120.0  # of one partner
# connections = 64
# connections_per_partner = 8
# connections_per_minute = 60.0 # of one address
# login_seconds = 20.0
# idle_seconds = 600.0
# unfinished_hours = 24.0     # an upload that was begun and left
# keep_days = 30.0            # receipts, refused files, what was fetched and not removed
# seconds = 30.0              # for a partner's server to answer

# Partners that come for files by FTP over TLS, or to whose server we go. docs/ftps.md.
[ftps]
# listen = ""                 # host:port, as "0.0.0.0:2121"; empty: nobody comes
# plain = false               # without TLS, with partners whose legacy file says so, for sealed parcels alone
# visits = false              # go to partners' servers
# seconds = 30.0              # for a partner's server to answer
# certificate = ""            # PEM chain and key
# key = ""
# data_ports = []             # first and last port for data, as [50000, 50099]; without them any
# address = ""                # what partners are told for data, where something translates ours
# folder = "ftps"             # where the mailboxes are
# file_bytes = 5242880
# files = 1000                # of one partner, not taken in yet
# uploads_per_minute = 120.0  # of one partner
# connections = 64
# connections_per_address = 8
# idle_seconds = 300
# unfinished_hours = 24.0     # an upload that was begun and left
# keep_days = 30.0            # receipts, refused files, what was fetched and not removed

# Partners whose people and scripts upload files over HTTPS. docs/upload.md.
[upload]
# listen = ""                 # host:port, as "127.0.0.1:8495"; empty: nobody uploads
# certificate = ""            # PEM chain and key for TLS; without them only on this machine, behind something that ends TLS
# key = ""
# folder = "upload"           # where our files wait for them
# file_bytes = 5242880
# files = 10                  # in one upload
# connections = 64
# requests_per_minute = 120.0 # of one address

# Third parties that fetch readings of customers who let them (Green Button Connect My Data). docs/espi.md.
[espi]
# listen = ""                 # host:port, as "0.0.0.0:8497"; empty: nobody comes
# url = ""                    # the door as third parties reach it, as "https://readings.utility.example"
# certificate = ""            # PEM chain and key for TLS; without them only on this machine, behind something that ends TLS
# key = ""
# tls_1_2 = false             # true: for third parties that have no TLS 1.3
# folder = "espi"             # applications, consents, hashes of tokens
# connections = 64
# requests_per_minute = 600.0 # of one address
# feeds = 8                   # written at once
# access_seconds = 3600       # how long an access token lives
# refresh_days = 366          # and a refresh token that is not used
# notify_seconds = 60.0       # how often it is looked for what third parties are to be told
# fetch = false               # from custodians whose third party we are
# fetch_seconds = 60.0        # how often it is looked for what is to be fetched
# ca_file = ""                # PEM of the authorities of others' servers

# Interval readings as Parquet, made from messages and imported files. docs/readings.md.
[readings]
# zone = "UTC"                # whose days are local days, as "America/New_York"; after a change: intertie readings rebuild
# folder = "readings"
# meters = ""                 # a CSV with meter and nameplate_kw: readings of other meters are refused
# seconds = 5.0               # how often a serving gateway takes in what is new

# Statements and invoices of partners, worked out again from what is held here. docs/settlement.md.
[settlement]
# shadow = "off"              # watch: logged; dispute: what differs is disputed; answer: and what is right is invoiced
# wait_hours = 24.0           # after its arrival, for readings that are on their way
# minutes = 15                # the length of the intervals of readings
"""
