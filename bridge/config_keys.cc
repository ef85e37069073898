// The table of keys. One line per key; a new one also stands in config.h and bridge.example.toml.
#include "bridge/config.h"

namespace wab::bridge {
namespace {

using enum ConfigCheck;

#define SLOT(member)         \
  +[](Config & c) -> auto& { \
    return c.member;         \
  }

const ConfigKey kKeys[] = {
    {"http.listen", SLOT(http.listen), "127.0.0.1:8080", "Address of the API.", address},
    {"http.tls_certificate", SLOT(http.tls_certificate), "",
     "PEM file with the certificate chain; empty serves plain HTTP. Reloaded when it changes."},
    {"http.tls_key", SLOT(http.tls_key), "", "PEM file with the private key of the certificate."},
    {"http.client_ca", SLOT(http.client_ca), "",
     "PEM file of authorities; when set, only clients with a certificate of theirs are served."},
    {"http.public_url", SLOT(http.public_url), "",
     "How browsers and links reach this service, such as https://bridge.example.org.", http_url},
    {"http.security_contact", SLOT(http.security_contact), "",
     "Whom /.well-known/security.txt names: https:, mailto: or tel:; empty is security@ that host.",
     contact},
    {"http.cors_origins", SLOT(http.cors_origins), "",
     "Origins whose pages may call the API; exact matches.", origins},
    {"http.trusted_proxies", SLOT(http.trusted_proxies), "",
     "Networks of proxies whose X-Forwarded-For is believed.", networks},
    {"ops.listen", SLOT(ops.listen), "127.0.0.1:9090",
     "Address of /healthz, /readyz and /metrics; never the public one.", address},
    {"ops.tls_certificate", SLOT(ops.tls_certificate), "",
     "As http.tls_certificate, for this listener."},
    {"ops.tls_key", SLOT(ops.tls_key), "", "PEM file with the private key of that certificate."},
    {"ops.client_ca", SLOT(ops.client_ca), "",
     "As http.client_ca: who reads the metrics proves itself by a certificate."},
    {"storage.engine", SLOT(storage.engine), "rocksdb", "rocksdb or postgres.", engine},
    {"storage.path", SLOT(storage.path), "/var/lib/waslo-bridge", "Directory of the store."},
    {"storage.url", SLOT(storage.url), "", "Connection string when the engine is postgres."},
    {"storage.root_key", SLOT(storage.root_key), "",
     "Where the root key is: file:PATH, env:NAME, exec:COMMAND or passphrase:PATH. Required.",
     root_key},
    {"whatsapp.url", SLOT(whatsapp.url), "wss://web.whatsapp.com/ws/chat",
     "The chat socket; another one only to test against a sandbox.", ws_url},
    {"whatsapp.noise_root_key", SLOT(whatsapp.noise_root_key), "",
     "Root of the server's certificates, 64 hex digits; empty is WhatsApp's own.", key32},
    {"whatsapp.ca_file", SLOT(whatsapp.ca_file), "",
     "PEM file of the authorities to trust; empty is the system's."},
    {"whatsapp.client_version", SLOT(whatsapp.client_version), "auto",
     "auto, or a fixed version such as 2.3000.1045649367.", version},
    {"whatsapp.proxy", SLOT(whatsapp.proxy), "",
     "http://HOST:PORT or socks5://HOST:PORT for every session without its own."},
    {"whatsapp.connects_per_second", SLOT(whatsapp.connects_per_second), "20",
     "How fast sessions are connected, all organizations together.", any, 1, 10000},
    {"auth.token_ttl_default", SLOT(auth.token_ttl_default), "90d",
     "Life of a token made without expires_in."},
    {"auth.google_client_id", SLOT(auth.google_client_id), "",
     "OAuth client of the console; empty switches Google sign-in off."},
    {"auth.google_client_secret_file", SLOT(auth.google_client_secret_file), "",
     "File with the secret of that client."},
    {"auth.google_issuer", SLOT(auth.google_issuer), "https://accounts.google.com",
     "Issuer whose identity tokens are accepted.", http_url},
    {"auth.google_ca_file", SLOT(auth.google_ca_file), "",
     "PEM file of the authorities to trust for the issuer; empty is the system's."},
    {"auth.allowed_domains", SLOT(auth.allowed_domains), "",
     "Hosted domains whose accounts may sign in."},
    {"webhook.allow_private_targets", SLOT(webhook.allow_private_targets), "",
     "Networks that webhooks may reach although they are not public; there http:// is allowed too.",
     networks},
    {"webhook.ca_file", SLOT(webhook.ca_file), "",
     "PEM file of the authorities to trust for receivers; empty is the system's."},
    {"webhook.schedule", SLOT(webhook.schedule), "0s,5s,5m,30m,2h,5h,10h,14h,20h,24h",
     "Wait before each attempt, counted from the one before.", durations},
    {"webhook.timeout", SLOT(webhook.timeout), "20s", "Whole exchange of one attempt."},
    {"webhook.window", SLOT(webhook.window), "8", "Attempts in flight per endpoint.", any, 1, 256},
    {"webhook.max_in_flight", SLOT(webhook.max_in_flight), "256", "Attempts in flight in all.", any,
     1, 65536},
    {"limits.token_per_minute", SLOT(limits.token_per_minute), "1200", "Requests of one token.",
     any, 1, 10000000},
    {"limits.organization_per_minute", SLOT(limits.organization_per_minute), "3000",
     "Requests of one organization.", any, 1, 10000000},
    {"limits.address_per_minute", SLOT(limits.address_per_minute), "3000",
     "Requests of one client address (IPv6: /64); who connects twice as often is not answered at "
     "all for 10 seconds.",
     any, 1, 10000000},
    {"limits.login_per_minute", SLOT(limits.login_per_minute), "5",
     "Attempts to log in or set up per account and, six times as many, per address.", any, 1, 1000},
    {"limits.connections", SLOT(limits.connections), "4096", "Open connections to the API.", any, 1,
     1000000},
    {"limits.connections_per_address", SLOT(limits.connections_per_address), "64",
     "Open connections of one client address.", any, 1, 65535},
    {"limits.sessions_per_organization", SLOT(limits.sessions_per_organization), "1000",
     "Sessions one organization may create.", any, 1, 1000000},
    {"limits.webhooks_per_organization", SLOT(limits.webhooks_per_organization), "50",
     "Endpoints one organization may create.", any, 1, 10000},
    {"limits.tokens_per_organization", SLOT(limits.tokens_per_organization), "200",
     "Tokens one organization may hold.", any, 1, 100000},
    {"limits.users_per_organization", SLOT(limits.users_per_organization), "200",
     "Users one organization may have.", any, 1, 100000},
    {"limits.messages_per_day", SLOT(limits.messages_per_day), "100000",
     "Messages one organization may send in a day (UTC).", any, 1, 1000000000},
    {"limits.messages_stored", SLOT(limits.messages_stored), "10000000",
     "Sent messages one organization may keep.", any, 1, 1000000000000},
    {"limits.storage_bytes", SLOT(limits.storage_bytes), "53687091200",
     "Bytes one organization may take on the disk before it may make and send no more.", any,
     1048576, 1000000000000000},
    {"limits.undelivered_events", SLOT(limits.undelivered_events), "1000000",
     "Events one organization may owe its endpoints before its sessions stop reading.", any, 1,
     1000000000},
    {"log.level", SLOT(log.level), "info", "debug, info, warn or error.", level},
};
#undef SLOT

}  // namespace

std::span<const ConfigKey> config_keys() { return kKeys; }

}  // namespace wab::bridge
