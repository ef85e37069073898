#include "bridge/deliveries.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "bridge/outgoing.h"
#include "webhook/format.h"

namespace wab::bridge {
namespace {

std::vector<webhook::Millis> schedule_of(const Config& config) {
  if (config.webhook.schedule.empty()) return webhook::default_schedule();
  std::vector<webhook::Millis> out;
  for (const auto& text : config.webhook.schedule) {
    if (const auto wait = parse_duration(text)) out.push_back(*wait);
  }
  // The first entry is the wait before the first attempt: deliveries start at once. With nothing
  // after it there is one attempt.
  if (!out.empty()) out.erase(out.begin());
  return out;
}

webhook::DispatcherOptions options_of(const Config& config, size_t shards) {
  webhook::DispatcherOptions out;
  out.schedule = schedule_of(config);
  out.timeout = config.webhook.timeout;
  out.window = static_cast<size_t>(config.webhook.window);
  out.max_in_flight =
      std::max<size_t>(1, static_cast<size_t>(config.webhook.max_in_flight) / shards);
  out.target = target_rules_of(config);
  out.egress = egress_of(config);
  return out;
}

}  // namespace

Deliveries::Deliveries(Shards& shards, storage::Store& store, wire::Dialer& dialer,
                       const Config& config, Clock& clock, Random& random, Backlog& backlog,
                       std::string ca_pem)
    : shards_(shards),
      store_(store),
      backlog_(backlog),
      table_(std::make_shared<const Table>()),
      ca_pem_(std::move(ca_pem)) {
  const auto judge = judge_of(config);
  for (size_t i = 0; i < shards.size(); ++i) {
    webhook::DispatcherHooks hooks;
    hooks.disable = [this](storage::OrgScope org, EndpointId id, std::string reason) {
      if (disable_) disable_(org, id, std::move(reason));
    };
    hooks.owe = [this](storage::Commit& commit) { add_rows(commit); };
    hooks.owes = [&backlog](const OrgId& org, int64_t change) { backlog.of(org)->add(change); };
    hooks.committed = [this](const storage::Commit& commit) {
      offer(commit);
      if (grew_) grew_(commit.owner.org());
    };
    dispatchers_.push_back(std::make_unique<webhook::Dispatcher>(
        options_of(config, shards.size()), store, dialer, judge, clock, random, shards.executor(i),
        std::move(hooks)));
  }
}

Deliveries::~Deliveries() = default;

size_t Deliveries::shard_of(const EndpointId& id) const {
  return shards_.shard_of(std::hash<EndpointId>()(id));
}

std::shared_ptr<const Deliveries::List> Deliveries::endpoints_of(const OrgId& org) const {
  const auto table = table_.load();
  const auto it = table->find(org);
  return it == table->end() ? nullptr : it->second;
}

std::optional<wire::TlsContext> Deliveries::identity(const std::string& certificate,
                                                     const std::string& key) const {
  auto context = wire::TlsContext::client(ca_pem_);
  if (!context || !context->present(certificate, key)) return std::nullopt;
  return std::move(*context);
}

webhook::Endpoint Deliveries::to_endpoint(const EndpointRecord& record) const {
  webhook::Endpoint out;
  out.id = record.id;
  out.url = record.url;
  out.events = record.events;
  for (const auto& text : record.sessions) {
    if (const auto id = SessionId::parse(text)) out.sessions.push_back(*id);
  }
  out.secrets = {record.secret};
  for (const auto& old : record.old_secrets) out.secrets.emplace_back(old.secret, old.until);
  out.headers = record.headers;
  using webhook::BodyFormat;
  using webhook::Ordering;
  if (record.ordering == "none") out.ordering = Ordering::none;
  if (record.ordering == "session") out.ordering = Ordering::session;
  for (const auto format : {BodyFormat::waha, BodyFormat::evolution, BodyFormat::cloud}) {
    if (record.format == webhook::format_word(format)) out.format = format;
  }
  out.rate_limit = static_cast<uint32_t>(record.rate_limit);
  out.signing_key = record.signing_key;
  out.enabled = record.enabled;
  if (!record.certificate.empty()) {
    out.identity = identity(record.certificate, record.certificate_key);
  }
  return out;
}

awaitable<std::optional<webhook::Attempt>> Deliveries::test(EndpointId id) {
  const size_t shard = shard_of(id);
  auto* dispatcher = dispatchers_[shard].get();
  std::function<awaitable<std::optional<webhook::Attempt>>()> work = [dispatcher, id] {
    return dispatcher->test(id);
  };
  co_return co_await on<std::optional<webhook::Attempt>>(shards_.executor(shard), std::move(work));
}

namespace {

awaitable<bool> start_replay(webhook::Dispatcher* dispatcher, webhook::ReplayJob job) {
  co_return dispatcher->replay(std::move(job));
}

awaitable<bool> is_replaying(webhook::Dispatcher* dispatcher, EndpointId id) {
  co_return dispatcher->replaying(id);
}

}  // namespace

awaitable<bool> Deliveries::replaying(EndpointId id) {
  const size_t shard = shard_of(id);
  auto* dispatcher = dispatchers_[shard].get();
  std::function<awaitable<bool>()> work = [dispatcher, id] { return is_replaying(dispatcher, id); };
  co_return co_await on<bool>(shards_.executor(shard), std::move(work));
}

awaitable<bool> Deliveries::replay(webhook::ReplayJob job) {
  const size_t shard = shard_of(job.endpoint);
  auto* dispatcher = dispatchers_[shard].get();
  std::function<awaitable<bool>()> work = [dispatcher, job = std::move(job)] {
    return start_replay(dispatcher, job);
  };
  co_return co_await on<bool>(shards_.executor(shard), std::move(work));
}

void Deliveries::sweep(const storage::OrgScope& org, EndpointId id) {
  const size_t shard = shard_of(id);
  auto* dispatcher = dispatchers_[shard].get();
  boost::asio::post(shards_.executor(shard), [dispatcher, org, id] { dispatcher->sweep(org, id); });
}

void Deliveries::changed(const storage::OrgScope& org, EndpointId id,
                         const EndpointRecord* record) {
  auto before = table_.load();
  std::shared_ptr<const Table> after;
  do {
    auto table = std::make_shared<Table>(*before);
    auto list = std::make_shared<List>();
    if (const auto it = table->find(org.org()); it != table->end()) *list = *it->second;
    std::erase_if(*list, [&](const webhook::Endpoint& one) { return one.id == id; });
    if (record != nullptr) list->push_back(to_endpoint(*record));
    if (list->empty()) {
      table->erase(org.org());
    } else {
      (*table)[org.org()] = std::move(list);
    }
    after = std::move(table);
  } while (!table_.compare_exchange_weak(before, after));

  const size_t shard = shard_of(id);
  auto* dispatcher = dispatchers_[shard].get();
  if (record == nullptr) {
    boost::asio::post(shards_.executor(shard),
                      [dispatcher, id] { dispatcher->remove_endpoint(id); });
  } else {
    boost::asio::post(shards_.executor(shard),
                      [dispatcher, org, endpoint = to_endpoint(*record)]() mutable {
                        dispatcher->set_endpoint(org, std::move(endpoint));
                      });
  }
}

awaitable<Result<void>> Deliveries::recount(storage::OrgScope org) {
  CO_TRY(const auto counts, co_await store_.owed(org));
  const auto endpoints = endpoints_of(org.org());
  for (const auto& [id, count] : counts) {
    const EndpointId endpoint = id;
    const bool known = endpoints && std::ranges::any_of(*endpoints, [&](const auto& one) {
                         return one.id == endpoint;
                       });
    if (known) {
      backlog_.of(org.org())->add(static_cast<int64_t>(count));
    } else {
      CO_TRY_VOID(co_await store_.forget_deliveries(org, endpoint));
    }
  }
  co_return ok();
}

awaitable<Result<void>> Deliveries::forget(storage::OrgScope org, EndpointId id) {
  CO_TRY(const auto counts, co_await store_.owed(org));
  CO_TRY_VOID(co_await store_.forget_deliveries(org, id));
  if (const auto it = counts.find(id); it != counts.end()) {
    backlog_.of(org.org())->add(-static_cast<int64_t>(it->second));
  }
  co_return ok();
}

void Deliveries::add_rows(storage::Commit& commit) const {
  if (commit.events.empty()) return;
  const auto endpoints = endpoints_of(commit.owner.org());
  if (!endpoints) return;
  for (const auto& event : commit.events) {
    for (const auto& endpoint : *endpoints) {
      if (!endpoint.wants(event.type, event.session)) continue;
      // An operational event carries the endpoint that it is about: that one does not hear it.
      if (event.session.bytes() == endpoint.id.bytes()) continue;
      storage::DeliveryRow row;
      row.endpoint = endpoint.id;
      row.session = event.session;
      row.seq = event.seq;
      row.lane = event.lane;
      // Whatever becomes of the endpoint's format: the body is the same at every attempt.
      webhook::DeliveryState fresh;
      fresh.format = endpoint.format;
      row.state = encode(fresh);
      commit.deliveries.push_back(std::move(row));
    }
  }
}

void Deliveries::offer(const storage::Commit& commit) {
  // One hop per endpoint, its deliveries in their order.
  std::map<EndpointId, std::vector<std::pair<storage::DeliveryRow, storage::EventRow>>> by_endpoint;
  for (const auto& row : commit.deliveries) {
    for (const auto& event : commit.events) {
      if (event.seq == row.seq && event.session == row.session) {
        by_endpoint[row.endpoint].emplace_back(row, event);
      }
    }
  }
  for (auto& [id, rows] : by_endpoint) {
    const size_t shard = shard_of(id);
    auto* dispatcher = dispatchers_[shard].get();
    boost::asio::post(shards_.executor(shard), [dispatcher, id = id, rows = std::move(rows)] {
      for (const auto& [row, event] : rows) dispatcher->offer(id, row, event);
    });
  }
}

awaitable<void> Deliveries::close(SteadyTime deadline) {
  for (size_t i = 0; i < dispatchers_.size(); ++i) {
    auto* dispatcher = dispatchers_[i].get();
    std::function<awaitable<void>()> work = [dispatcher, deadline] {
      return dispatcher->close(deadline);
    };
    co_await on<void>(shards_.executor(i), std::move(work));
  }
}

}  // namespace wab::bridge
