#include "bridge/service.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <fstream>
#include <future>
#include <iostream>
#include <sstream>

#include "bridge/app.h"
#include "bridge/backups.h"
#include "bridge/deliveries.h"
#include "bridge/google_outside.h"
#include "bridge/housekeeping.h"
#include "bridge/listener.h"
#include "bridge/organization_erasure.h"
#include "bridge/outbox_notice.h"
#include "bridge/outgoing.h"
#include "bridge/pairing_links.h"
#include "bridge/parts.h"
#include "bridge/retention.h"
#include "bridge/schema_check.h"
#include "bridge/sealed.h"
#include "bridge/sealing.h"
#include "bridge/sessions.h"
#include "bridge/watch.h"
#include "session/noise/certificate.h"
#include "session/wire/descriptors.h"
#include "storage/base/locked_memory.h"
#include "storage/base/log.h"
#include "storage/base/metrics.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;
using storage::Kind;

// The newest web client this build was tested with; what "auto" means until a newer one is known.
constexpr const char* kClientVersion = "2.3000.1045649367";
constexpr auto kStopGrace = 9s;
constexpr auto kTrimEvery = 15s;
constexpr int kSealing = -1;  // instead of an exit code: this process begins anew

// Keys must not reach the disk by a core dump or another process's debugger; sockets need room.
tl::expected<void, std::string> harden() {
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < wire::kFewestDescriptors) {
      return tl::unexpected(fmt::format(
          "only {} open files are allowed; set LimitNOFILE=65536 in the unit, or ulimit -n {}",
          files.rlim_max, wire::kFewestDescriptors));
    }
  }
  rlimit locked{};
  if (getrlimit(RLIMIT_MEMLOCK, &locked) == 0) {
    locked.rlim_cur = locked.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &locked);
  }
  std::signal(SIGPIPE, SIG_IGN);
  // Few arenas: with one per thread, ten thousand sessions fragment into all of them.
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  return {};
}

std::optional<Key32> read_key(const std::string& text) {
  auto raw = from_hex(text);
  if (!raw) raw = from_base64(text);
  return raw ? to_array<32>(*raw) : std::nullopt;
}

tl::expected<session::Settings, std::string> session_settings(const Config& config) {
  session::Settings out;
  out.noise_root_key = noise::kWhatsAppRootKey;
  if (!config.whatsapp.noise_root_key.empty()) {
    const auto key = read_key(config.whatsapp.noise_root_key);
    if (!key) return tl::unexpected<std::string>("whatsapp.noise_root_key: write 64 hex digits");
    out.noise_root_key = *key;
  }
  const std::string version =
      config.whatsapp.client_version == "auto" ? kClientVersion : config.whatsapp.client_version;
  const auto parsed = session::ClientVersion::parse(version);
  if (!parsed) {
    return tl::unexpected<std::string>(
        "whatsapp.client_version: use auto or a version such as 2.3000.1045649367");
  }
  out.profile.version = *parsed;
  if (const char* early = std::getenv("WASLO_UNSAFE_EARLY_ACK_FOR_TESTS");
      early != nullptr && std::string_view(early) == "1") {
    log_warn("session.acknowledges_early");
    out.unsafe_early_ack_for_tests = true;
  }
  return out;
}

// "" when the key is not set.
tl::expected<std::string, std::string> authorities(const std::string& path, const char* key) {
  if (path.empty()) return std::string();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) {
    return tl::unexpected(std::string(key) + ": cannot read " + path);
  }
  return text.str();
}

tl::expected<wire::TlsContext, std::string> trust(const std::string& pem, const char* key) {
  auto context = wire::TlsContext::client(pem);
  if (context) return std::move(*context);
  if (pem.empty()) return tl::unexpected<std::string>("tls: the system's roots are unusable");
  return tl::unexpected(std::string(key) + ": not a PEM file of certificates");
}

std::vector<any_io_executor> executors(Shards& shards) {
  std::vector<any_io_executor> out;
  for (size_t i = 0; i < shards.size(); ++i) out.push_back(shards.executor(i));
  return out;
}

class Service {
 public:
  Service(const Config& config, Shards& shards, storage::RocksStore& store, BlockingPool& password,
          BlockingPool& lookup, BlockingPool& compute, wire::TlsContext whatsapp_trust,
          wire::TlsContext receiver_trust, std::string receiver_pem, session::Settings settings,
          wire::Url url)
      : config_(config),
        shards_(shards),
        store_(store),
        auth_(store, scopes_, clock_, random_),
        people_(store, scopes_.deployment(), auth_, clock_, random_, password),
        limits_(clock_, random_),
        pairing_links_(store, scopes_, clock_, random_),
        idempotency_(store, clock_, random_),
        quotas_(store, clock_, config, scopes_.deployment()),
        housekeeping_(store, scopes_, clock_, auth_, people_, idempotency_, quotas_),
        retention_(store, scopes_, clock_, config),
        backups_(store, clock_, config),
        feed_(executors(shards)),
        audit_(store, clock_, scopes_.deployment(), executors(shards)),
        compute_(compute),
        lookup_(lookup),
        whatsapp_(lookup, std::move(whatsapp_trust)),
        receivers_(lookup, std::move(receiver_trust)),
        backlog_(static_cast<uint64_t>(config.limits.undelivered_events),
                 [this](const OrgId& org) { outbox_.look(org); }),
        deliveries_(shards, store, receivers_, config, clock_, random_, backlog_,
                    std::move(receiver_pem)),
        outbox_(store, backlog_, deliveries_, feed_, clock_, shards.executor(0)),
        world_{store,
               deliveries_,
               backlog_,
               feed_,
               whatsapp_,
               compute,
               clock_,
               random_,
               std::move(settings),
               std::move(url),
               config.whatsapp.proxy,
               judge_of(config),
               store.restored()},
        sessions_(shards, world_, config),
        endpoints_(store, clock_, random_, config,
                   [this](const storage::OrgScope& org, EndpointId id,
                          const EndpointRecord* record) { endpoint_changed(org, id, record); }),
        app_{config_,      store_,    clock_,     random_, auth_,  people_, limits_,
             idempotency_, sessions_, endpoints_, feed_,   audit_, quotas_},
        listener_(shards, app_),
        watch_(shards, config, store, scopes_.deployment(), sessions_, clock_, random_,
               [this] { return not_ready(); }) {
    app_.pairing_links = &pairing_links_;
    deliveries_.on_disable([this](storage::OrgScope org, EndpointId id, std::string reason) {
      any_io_executor here = shards_.executor(0);
      spawn(here, disable(org, id, std::move(reason)), "webhook.disable");
    });
    deliveries_.on_events([this](OrgId org) { feed_.grew(org); });
    app_.deliveries = &deliveries_;
    app_.backups = &backups_;
  }

  tl::expected<void, std::string> open() {
    if (auto judged = compile_schemas(); !judged) return judged;
    if (!config_.auth.google_client_id.empty()) {
      auto google = open_google(config_, lookup_, store_, scopes_.deployment(), clock_, random_);
      if (!google) return tl::unexpected(google.error());
      google_ = std::move(*google);
      app_.google = google_.google.get();
    }
    if (auto opened = listener_.open(); !opened) return opened;
    return watch_.open();
  }

  awaitable<void> run(std::promise<int>* exit) {
    auto setup = co_await people_.prepare_setup();
    if (!setup) {
      std::cerr << "storage: the setup state could not be read\n";
      exit->set_value(kExitFailed);
      co_return;
    }
    if (*setup) {
      std::cout << "setup token (once, 30 minutes): " << **setup << std::endl;
    }
    watch_.start();
    co_await recover();
    // Not before every session is known: a 404 for one that exists would be believed. Callers wait
    // in the backlog of the open port meanwhile.
    listener_.start();
    co_await sessions_.start_wanted();
    std::cout << "waslo-bridge listening on "
              << (config_.http.tls_certificate.empty() ? "http" : "https") << "://"
              << host_of(config_.http.listen) << ":" << listener_.port() << ", ops on "
              << host_of(config_.ops.listen) << ":" << watch_.port() << std::endl;
    housekeeping_.start(shards_.executor(0));
    retention_.start(shards_.executor(0));
    backups_.start(shards_.executor(0));
    ready_ = true;
    log_info("service.ready", {{"sessions", recovered_}});
    boost::asio::io_context& shard = shards_.at(0);
    boost::asio::signal_set signals(shard, SIGTERM, SIGINT);
    Event arrived;
    bool seen = false;
    signals.async_wait([&](const boost::system::error_code&, int) {
      seen = true;
      arrived.notify_all();
    });
    bool sealing = false;
    SealSwitch::of_process().listen([&] {
      boost::asio::post(shard, [&] {
        seen = sealing = true;
        arrived.notify_all();
      });
    });
    while (!seen) {
      // What pairing and bursts have used goes back to the system while nobody waits for it.
      if (co_await arrived.wait_until(clock_.steady() + kTrimEvery)) continue;
      std::function<void()> trim = [] { malloc_trim(0); };
      (void)co_await compute_.run(std::move(trim));
    }
    SealSwitch::of_process().listen(nullptr);
    co_await stop();
    exit->set_value(sealing ? kSealing : kExitDone);
  }

 private:
  static std::string host_of(const std::string& listen) {
    const auto parsed = parse_host_port(listen);
    return parsed ? parsed->host : listen;
  }

  std::string not_ready() const {
    if (stopping_) return "stopping";
    return ready_ ? "" : "opening sessions";
  }

  awaitable<void> recover() {
    storage::Store* const store_ptr = &store_;
    Audit* const audit_ptr = &audit_;
    const auto deployment = scopes_.deployment();
    std::string after;
    do {
      auto page = co_await store_.scan(deployment, Kind::organization, after, 200);
      if (!page) {
        log_error("service.organizations_unreadable", {{"error", page.error()}});
        co_return;
      }
      for (const auto& row : page->rows) {
        const auto id = OrgId::parse(row.key.name);
        if (!id) continue;
        const auto org = scopes_.organization(*id);
        const auto stored = parse_stored(row.value);
        if (stored && is_being_erased(*stored)) {
          auto erased = co_await finish_erasing(store_ptr, audit_ptr, deployment, org);
          if (!erased) log_error("service.organization_not_erased", {{"organization", id->text()}});
          continue;
        }
        co_await recover_endpoints(org);
        auto found = co_await sessions_.recover(org);
        if (!found) {
          // One organization's trouble is not the others'.
          log_error("service.organization_unreadable",
                    {{"organization", id->text()}, {"error", found.error()}});
          continue;
        }
        recovered_ += *found;
      }
      after = page->next;
    } while (!after.empty());
  }

  awaitable<void> recover_endpoints(storage::OrgScope org) {
    std::string after;
    do {
      auto page = co_await endpoints_.list(org, after, 200);
      if (!page) co_return;
      for (const auto& record : page->endpoints) deliveries_.changed(org, record.id, &record);
      after = page->next;
    } while (!after.empty());
    auto counted = co_await deliveries_.recount(org);
    if (!counted) log_error("service.outbox_uncounted", {{"error", counted.error()}});
    co_await outbox_.open(org);
    // What endpoints left that were erased when the process ended.
    after.clear();
    do {
      auto page = co_await store_.scan(org, Kind::attempt_log, after, 200);
      if (!page) co_return;
      for (const auto& row : page->rows) {
        const auto id = EndpointId::parse(row.key.name);
        if (!id) continue;
        auto known = co_await endpoints_.get(org, *id);
        if (!known && known.error().code == Code::not_found) deliveries_.sweep(org, *id);
      }
      after = page->next;
    } while (!after.empty());
  }

  void endpoint_changed(const storage::OrgScope& org, EndpointId id, const EndpointRecord* record) {
    outbox_.know(org);
    deliveries_.changed(org, id, record);
    if (record == nullptr) spawn(shards_.executor(0), forget(org, id), "webhook.forget");
  }

  awaitable<void> forget(storage::OrgScope org, EndpointId id) {
    auto done = co_await deliveries_.forget(org, id);
    if (!done)
      log_warn("webhook.not_forgotten", {{"endpoint", id.text()}, {"error", done.error()}});
  }

  awaitable<void> disable(storage::OrgScope org, EndpointId id, std::string reason) {
    EndpointPatch patch;
    patch.enabled = false;
    patch.disabled_reason = std::move(reason);
    auto done = co_await endpoints_.patch(org, id, std::move(patch));
    log_info("webhook.disabled", {{"endpoint", id.text()}, {"stored", done.has_value()}});
  }

  awaitable<void> stop() {
    stopping_ = true;
    const SteadyTime deadline = clock_.steady() + kStopGrace;
    log_info("service.stopping");
    feed_.close();
    co_await housekeeping_.close();
    co_await retention_.close();
    co_await backups_.close();
    co_await listener_.close(deadline);
    co_await sessions_.close();
    co_await deliveries_.close(deadline);
    co_await outbox_.close();
    co_await watch_.close();
    log_info("service.stopped");
  }

  const Config& config_;
  Shards& shards_;
  storage::RocksStore& store_;
  Clock& clock_ = system_clock();
  Random& random_ = system_random();
  storage::ScopeIssuer scopes_ = store_.issuer();
  Auth auth_;
  People people_;
  Limits limits_;
  PairingLinks pairing_links_;
  Idempotency idempotency_;
  Quotas quotas_;
  Housekeeping housekeeping_;
  Retention retention_;
  Backups backups_;
  EventFeed feed_;
  Audit audit_;
  BlockingPool& compute_;
  BlockingPool& lookup_;
  wire::Dialer whatsapp_;
  wire::Dialer receivers_;
  Backlog backlog_;
  Deliveries deliveries_;
  OutboxNotice outbox_;
  SessionWorld world_;
  Sessions sessions_;
  EndpointDirectory endpoints_;
  GoogleSignIn google_;
  App app_;
  Listener listener_;
  Watch watch_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> stopping_{false};
  size_t recovered_ = 0;
};

int refuse_start(int code, const std::string& line) {
  std::cerr << line << std::endl;
  return code;
}

}  // namespace

int serve(const Config& config, const ServeWish& wish) {
  if (const auto fit = harden(); !fit) return refuse_start(kExitUsage, fit.error());
  LogLevel level = LogLevel::info;
  if (parse_log_level(config.log.level, level)) set_log_level(level);
  StoreWish keys;
  if (wish.sealed) {
    auto end = run_sealed(config);
    if (!end) return refuse_start(kExitUsage, end.error());
    if (!end->unsealed) return kExitDone;
    keys.given = std::move(end->root);
  }
  auto settings = session_settings(config);
  if (!settings) return refuse_start(kExitUsage, settings.error());
  auto whatsapp_pem = authorities(config.whatsapp.ca_file, "whatsapp.ca_file");
  if (!whatsapp_pem) return refuse_start(kExitUsage, whatsapp_pem.error());
  auto whatsapp_trust = trust(*whatsapp_pem, "whatsapp.ca_file");
  if (!whatsapp_trust) return refuse_start(kExitUsage, whatsapp_trust.error());
  auto receiver_pem = authorities(config.webhook.ca_file, "webhook.ca_file");
  if (!receiver_pem) return refuse_start(kExitUsage, receiver_pem.error());
  auto receiver_trust = trust(*receiver_pem, "webhook.ca_file");
  if (!receiver_trust) return refuse_start(kExitUsage, receiver_trust.error());
  auto url = wire::parse_url(config.whatsapp.url);
  if (!url) return refuse_start(kExitUsage, "whatsapp.url: write a URL with wss:// or ws://");

  Shards shards;
  BlockingPool disk("disk", 2, 4096);
  BlockingPool password("password", 1, 8);
  BlockingPool lookup("lookup", 4, 4096);
  BlockingPool compute("compute", 1, 64);
  auto store = open_store(config, disk, std::move(keys));
  if (!store) {
    const bool setting = store.error().starts_with("storage.");
    return refuse_start(setting ? kExitUsage : kExitFailed, store.error());
  }
  if (!memory_is_locked()) {
    log_warn(
        "store.memory_not_locked",
        {{"advice", "keys may be swapped out; allow this user to lock 64 MiB (LimitMEMLOCK)"}});
  }
  std::promise<int> exit;
  auto answer = exit.get_future();
  int code = kExitFailed;
  {
    Service service(config, shards, **store, password, lookup, compute, std::move(*whatsapp_trust),
                    std::move(*receiver_trust), std::move(*receiver_pem), std::move(*settings),
                    std::move(*url));
    if (auto opened = service.open(); !opened) return refuse_start(kExitFailed, opened.error());
    spawn(shards.executor(0), service.run(&exit), "service");
    shards.run();
    code = answer.get();
    shards.stop(1s);
  }
  if (code != kSealing) return code;
  store->reset();
  become_sealed(wish.config_path);
  return refuse_start(kExitFailed, "seal: the program cannot start itself again; it ends instead");
}

}  // namespace wab::bridge
