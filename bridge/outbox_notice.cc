#include "bridge/outbox_notice.h"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "storage/base/log.h"
#include "webhook/health.h"

namespace wab::bridge {
namespace {

using namespace std::chrono_literals;
using storage::Kind;

constexpr auto kTrouble = 1s;
constexpr int kPatience = 60;

storage::Key key_of(const OrgId& org) {
  storage::Key key;
  key.kind = Kind::endpoint_health;
  key.name = org.text();
  return key;
}

awaitable<Result<webhook::Health>> told_of(storage::Store* store, storage::OrgScope org) {
  std::vector<storage::Key> keys{key_of(org.org())};
  CO_TRY(const auto values, co_await store->load(org, std::move(keys)));
  webhook::Health none;
  if (!values[0]) co_return none;
  co_return webhook::decode_health(*values[0]).value_or(none);
}

}  // namespace

OutboxNotice::OutboxNotice(storage::Store& store, Backlog& backlog, Deliveries& deliveries,
                           EventFeed& feed, Clock& clock, any_io_executor shard)
    : store_(store),
      backlog_(backlog),
      deliveries_(deliveries),
      feed_(feed),
      clock_(clock),
      shard_(std::move(shard)) {}

OutboxNotice::~OutboxNotice() = default;

void OutboxNotice::know(const storage::OrgScope& org) {
  boost::asio::post(shard_, [this, org] { known_.emplace(org.org(), org); });
}

awaitable<void> OutboxNotice::open(storage::OrgScope org) {
  know(org);
  auto told = co_await told_of(&store_, org);
  if (told && told->told) backlog_.of(org.org())->was_high();
  look(org.org());
}

void OutboxNotice::look(const OrgId& org) {
  boost::asio::post(shard_, [this, org] { begin(org); });
}

void OutboxNotice::begin(const OrgId& org) {
  const auto it = known_.find(org);
  if (it == known_.end() || closing_) return;
  if (!running_.insert(org).second) {
    again_.insert(org);
    return;
  }
  if (!spawn(shard_, gate_, run(it->second), "outbox.notice")) running_.erase(org);
}

awaitable<void> OutboxNotice::run(storage::OrgScope org) {
  // An organization that was deleted meanwhile never answers.
  for (int troubles = 0; !closing_ && troubles < kPatience;) {
    again_.erase(org.org());
    auto done = co_await tell(org);
    if (!done) {
      log_warn("outbox.notice_waits",
               {{"organization", org.org().text()}, {"error", done.error()}});
      ++troubles;
      co_await stop_.wait_until(clock_.steady() + kTrouble);
      continue;
    }
    if (*done && !again_.contains(org.org())) break;
  }
  running_.erase(org.org());
}

awaitable<Result<bool>> OutboxNotice::tell(storage::OrgScope org) {
  const auto account = backlog_.of(org.org());
  CO_TRY(webhook::Health told, co_await told_of(&store_, org));
  const bool high = account->high();
  if (told.told == high) co_return true;
  const UnixMillis now = clock_.now_ms();
  nlohmann::json about{{"owed", account->owed()}, {"limit", account->limit()}};
  if (!high) about["since"] = to_iso8601(told.failing_since);
  told.told = high;
  told.failing_since = high ? now : 0;
  const auto type = high ? webhook::kHighWatermark : webhook::kBelowWatermark;
  storage::Commit commit{storage::Scope(org)};
  commit.events.push_back(webhook::operational_event(store_, org, org.org().bytes(), type,
                                                     ++told.events, now, about.dump()));
  deliveries_.add_rows(commit);
  storage::Row row;
  row.key = key_of(org.org());
  row.value = encode(told);
  commit.put.push_back(std::move(row));
  storage::Commit said{storage::Scope(org)};
  said.events = commit.events;
  said.deliveries = commit.deliveries;
  const auto owed = static_cast<int64_t>(commit.deliveries.size());
  CO_TRY_VOID(co_await store_.commit(std::move(commit)));
  if (high) {
    log_warn("outbox.almost_full", {{"organization", org.org().text()}, {"owed", account->owed()}});
  } else {
    log_info("outbox.recovered", {{"organization", org.org().text()}, {"owed", account->owed()}});
  }
  if (owed > 0) account->add(owed);
  deliveries_.offer(said);
  feed_.grew(org.org());
  co_return false;  // the outbox may have moved meanwhile
}

awaitable<void> OutboxNotice::close() {
  closing_ = true;
  stop_.notify_all();
  co_await gate_.close();
}

}  // namespace wab::bridge
