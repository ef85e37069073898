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

Problem expired(uint64_t oldest) {
  Problem out{Code::cursor_expired, {}};
  out.also.emplace_back("oldest_cursor", std::to_string(oldest));
  return out;
}
Problem expired(uint64_t position, const storage::LogGap& gap) {
  Problem out = expired(gap.to);
  out.detail = "The events at positions " + std::to_string(position + 1) + " to " +
               std::to_string(gap.to) +
               " are gone: they were over their time, or a backup was "
               "restored. Note the gap and go on with oldest_cursor.";
  out.also.emplace_back("gap_from", std::to_string(position + 1));
  out.also.emplace_back("gap_to", std::to_string(gap.to));
  return out;
}

// One page behind `position`, and the gap that stands before or behind it. Read after the rows: a
// step of the retention in between makes a gap too many, never one too few.
struct Read {
  std::vector<storage::EventRow> rows;
  std::optional<storage::LogGap> gap;  // comes before everything else
};
awaitable<Outcome<Read>> read_page(App& app, storage::OrgScope org, uint64_t position,
                                   size_t limit) {
  Read out;
  auto rows = co_await app.store.events_after(org, position, limit);
  if (!rows) co_return refuse(problem_of(rows.error()));
  auto log = co_await app.store.event_log(org);
  if (!log) co_return refuse(problem_of(log.error()));
  out.gap = log->gap_after(position);
  if (out.gap) co_return out;
  out.rows = std::move(*rows);
  for (const auto& gap : log->gaps) {
    if (gap.from <= position || out.rows.empty() || out.rows.back().position <= gap.from) continue;
    std::erase_if(out.rows, [&gap](const auto& row) { return row.position > gap.from; });
    if (out.rows.empty()) out.gap = gap;
  }
  co_return out;
}

std::string gap_frame(uint64_t position, const storage::LogGap& gap) {
  const std::string to = std::to_string(gap.to);
  return R"({"type":"log.gap","gap":{"from":")" + std::to_string(position + 1) + R"(","to":")" +
         to + R"("},"oldest_cursor":")" + to + R"("})";
}

class EventFollower final : public Follower {
 public:
  EventFollower(App& app, const Caller& caller, uint64_t position)
      : app_(app), caller_(caller), org_(caller.scope()), position_(position) {}

  awaitable<void> run(EventSink& sink) override {
    auto subscription = co_await app_.events.subscribe(org_.org());
    while (!sink.closed() && !app_.events.closed()) {
      auto page = co_await read_page(app_, org_, position_, 100);
      if (!page) co_return;
      if (page->gap) {
        std::string name = "log.gap";
        std::string body = gap_frame(position_, *page->gap);
        auto told = co_await sink.send(std::move(name), std::move(body));
        if (!told) co_return;
        position_ = page->gap->to;
        continue;
      }
      for (const auto& row : page->rows) {
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
      if (!page->rows.empty()) continue;
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

std::optional<SessionId> numbered_by(std::string_view cursor) {
  const auto id = cursor.substr(0, cursor.find(':'));
  if (const auto endpoint = EndpointId::parse(id)) return SessionId(endpoint->bytes());
  if (const auto org = OrgId::parse(id)) return SessionId(org->bytes());
  return SessionId::parse(id);
}

awaitable<Outcome<uint64_t>> event_position(App& app, storage::OrgScope org, std::string cursor) {
  auto log = co_await app.store.event_log(org);
  if (!log) co_return refuse(problem_of(log.error()));
  if (cursor.empty()) {
    const auto gap = log->gap_after(0);
    co_return gap ? gap->to : uint64_t{0};
  }
  if (cursor == "latest") co_return log->last;
  if (const auto position = number(cursor)) {
    if (const auto gap = log->gap_after(*position)) co_return refuse(expired(*position, *gap));
    co_return *position;
  }
  const auto colon = cursor.find(':');
  const auto session = numbered_by(cursor);
  if (colon == std::string::npos || !session) co_return refuse(Code::invalid_cursor);
  const auto seq = number(std::string_view(cursor).substr(colon + 1));
  if (!seq) co_return refuse(Code::invalid_cursor);
  const storage::Scope scope(org, *session);
  auto row = co_await app.store.event(scope, *seq);
  if (!row) co_return refuse(problem_of(row.error()));
  if (*row) {
    const auto gap = log->gap_after((*row)->position);
    if (gap) co_return refuse(expired((*row)->position, *gap));
    co_return (*row)->position;
  }
  // It may have been one of those that are gone.
  if (!log->gaps.empty()) co_return refuse(expired(log->gaps.front().to));
  co_return refuse(Code::invalid_cursor);
}

awaitable<Outcome<std::vector<storage::EventRow>>> events_or_wait(App& app, storage::OrgScope org,
                                                                  uint64_t position, size_t limit,
                                                                  SteadyTime until) {
  auto subscription = co_await app.events.subscribe(org.org());
  for (;;) {
    auto page = co_await read_page(app, org, position, limit);
    if (!page) co_return refuse(page.error());
    if (page->gap) co_return refuse(expired(position, *page->gap));
    if (!page->rows.empty() || app.clock.steady() >= until) co_return std::move(page->rows);
    const bool grew = co_await subscription->wait_until(until);
    if (!grew) co_return std::vector<storage::EventRow>();
  }
}

std::unique_ptr<Follower> follow_events(App& app, const Caller& caller, uint64_t position) {
  return std::make_unique<EventFollower>(app, caller, position);
}

}  // namespace wab::bridge
