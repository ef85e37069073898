#include "bridge/event_stream.h"

#include <algorithm>
#include <charconv>

namespace wab::bridge {
namespace {

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

awaitable<Outcome<bool>> anything_after(App& app, storage::OrgScope org, uint64_t position) {
  auto rows = co_await app.store.events_after(org, position, 1);
  if (!rows) co_return refuse(problem_of(rows.error()));
  co_return !rows->empty();
}

// Positions grow by one, so the end is found by doubling and halving.
awaitable<Outcome<uint64_t>> last_position(App& app, storage::OrgScope org) {
  uint64_t below = 0, above = 1;  // something after `below - 1`, nothing after `above`
  for (;;) {
    auto more = co_await anything_after(app, org, above);
    if (!more) co_return refuse(more.error());
    if (!*more) break;
    below = above;
    above *= 2;
  }
  while (below < above) {
    const uint64_t middle = below + (above - below) / 2;
    auto more = co_await anything_after(app, org, middle);
    if (!more) co_return refuse(more.error());
    if (*more) {
      below = middle + 1;
    } else {
      above = middle;
    }
  }
  co_return above;
}

class EventFollower final : public Follower {
 public:
  EventFollower(App& app, const Caller& caller, uint64_t position)
      : app_(app), caller_(caller), org_(caller.scope()), position_(position) {}

  awaitable<void> run(EventSink& sink) override {
    auto subscription = co_await app_.events.subscribe(org_.org());
    while (!sink.closed() && !app_.events.closed()) {
      auto rows = co_await app_.store.events_after(org_, position_, 100);
      if (!rows) co_return;
      for (const auto& row : *rows) {
        if (!caller_.sees(row.session)) {
          position_ = row.position;
          continue;
        }
        std::string name = row.type;
        std::string body = to_string(row.body);
        auto sent = co_await sink.send(std::move(name), std::move(body));
        if (!sent) co_return;
        position_ = row.position;
      }
      if (!rows->empty()) continue;
      const auto due = app_.clock.steady() + kHeartbeat;
      bool grew = false;
      while (!grew && !sink.closed() && !app_.events.closed() && app_.clock.steady() < due) {
        const auto glance = std::min(due, app_.clock.steady() + kGlance);
        grew = co_await subscription->wait_until(glance);
      }
      if (grew || sink.closed() || app_.events.closed()) continue;
      auto alive = co_await sink.beat();
      if (!alive) co_return;
    }
  }

 private:
  App& app_;
  Caller caller_;
  storage::OrgScope org_;
  uint64_t position_;
};

}  // namespace

awaitable<Outcome<uint64_t>> event_position(App& app, storage::OrgScope org, std::string cursor) {
  if (cursor.empty()) co_return uint64_t{0};
  if (cursor == "latest") {
    auto last = co_await last_position(app, org);
    co_return last;
  }
  if (const auto position = number(cursor)) co_return *position;
  const auto colon = cursor.find(':');
  const auto session = SessionId::parse(std::string_view(cursor).substr(0, colon));
  if (colon == std::string::npos || !session) co_return refuse(Code::invalid_cursor);
  const auto seq = number(std::string_view(cursor).substr(colon + 1));
  if (!seq) co_return refuse(Code::invalid_cursor);
  const storage::Scope scope(org, *session);
  auto row = co_await app.store.event(scope, *seq);
  if (!row) co_return refuse(problem_of(row.error()));
  if (!*row) co_return refuse(Code::invalid_cursor);
  co_return (*row)->position;
}

awaitable<Outcome<std::vector<storage::EventRow>>> events_or_wait(App& app, storage::OrgScope org,
                                                                  uint64_t position, size_t limit,
                                                                  SteadyTime until) {
  auto subscription = co_await app.events.subscribe(org.org());
  for (;;) {
    auto rows = co_await app.store.events_after(org, position, limit);
    if (!rows) co_return refuse(problem_of(rows.error()));
    if (!rows->empty() || app.clock.steady() >= until) co_return std::move(*rows);
    const bool grew = co_await subscription->wait_until(until);
    if (!grew) co_return std::vector<storage::EventRow>();
  }
}

std::unique_ptr<Follower> follow_events(App& app, const Caller& caller, uint64_t position) {
  return std::make_unique<EventFollower>(app, caller, position);
}

}  // namespace wab::bridge
