// What became of deliveries, and sending again: attempts, dead letters, replay, test.

#include <algorithm>
#include <ctime>
#include <functional>
#include <nlohmann/json.hpp>

#include "bridge/deliveries.h"
#include "bridge/routes/tables.h"
#include "webhook/health.h"
#include "webhook/log_reader.h"

namespace wab::bridge {
namespace {

using nlohmann::json;
using storage::Kind;

constexpr std::string_view kOutcomes[] = {"delivered", "failed"};
constexpr Field kAttemptQueryFields[] = {
    {.name = "limit", .type = Type::integer, .min = 1, .max = 100, .about = "Items per page, 50."},
    {.name = "cursor", .max = 512, .about = "next_cursor of the page before."},
    {.name = "outcome", .one_of = kOutcomes},
    {.name = "status",
     .type = Type::integer,
     .min = 0,
     .max = 999,
     .about = "Status of the answer; 0: there was none."},
    {.name = "event", .max = 64, .about = "Id of an event."}};
constexpr Shape kAttemptQuery{"attempts_query", kAttemptQueryFields};

#define WAB_MICROSECONDS(step) \
  { .name = step, .type = Type::integer, .required = true, .max = INT64_MAX, .nullable = true }
constexpr Field kTimingFields[] = {WAB_MICROSECONDS("dns_us"), WAB_MICROSECONDS("connect_us"),
                                   WAB_MICROSECONDS("tls_us"), WAB_MICROSECONDS("first_byte_us"),
                                   WAB_MICROSECONDS("total_us")};
#undef WAB_MICROSECONDS
constexpr Shape kTimings{"attempt_timings", kTimingFields};
constexpr std::string_view kTriggers[] = {"scheduled", "manual", "replay"};
constexpr Field kAttemptFields[] = {
    {.name = "number", .type = Type::integer, .required = true, .min = 0, .max = INT64_MAX},
    {.name = "webhook_id", .required = true},
    {.name = "event_id", .required = true},
    {.name = "event_type", .required = true},
    {.name = "attempted_at", .required = true},
    {.name = "attempt",
     .type = Type::integer,
     .required = true,
     .min = 1,
     .max = INT64_MAX,
     .about = "Which one of its delivery."},
    {.name = "trigger", .required = true, .one_of = kTriggers},
    {.name = "status",
     .type = Type::integer,
     .required = true,
     .max = 999,
     .nullable = true,
     .about = "Of the answer; null: there was none."},
    {.name = "verdict", .required = true, .about = "A stable word: delivered, timeout, ..."},
    {.name = "address", .required = true, .nullable = true, .about = "As dialled."},
    {.name = "reused",
     .type = Type::boolean,
     .required = true,
     .about = "Over a connection that was kept."},
    {.name = "timings",
     .type = Type::object,
     .required = true,
     .shape = &kTimings,
     .about = "Microseconds since the attempt began; null: not reached or not needed."},
    {.name = "next_attempt_at", .required = true, .nullable = true},
    {.name = "response",
     .required = true,
     .max = 4096,
     .nullable = true,
     .about = "The first 4 KiB of the answer's body."},
    {.name = "response_bytes",
     .type = Type::integer,
     .required = true,
     .max = INT64_MAX,
     .about = "As far as it was read, at most 64 KiB."}};
constexpr Shape kAttemptShape{"webhook_attempt", kAttemptFields};
constexpr Field kAttemptListFields[] = {
    {.name = "data",
     .type = Type::array,
     .required = true,
     .max = 5000,
     .shape = &kAttemptShape,
     .item = Type::object},
    {.name = "next_cursor", .required = true, .max = 512, .nullable = true}};
constexpr Shape kAttemptList{"webhook_attempts", kAttemptListFields};
constexpr Field kLetterFields[] = {
    {.name = "number", .type = Type::integer, .required = true, .min = 1, .max = INT64_MAX},
    {.name = "event_id", .required = true},
    {.name = "event_type", .required = true},
    {.name = "session_id", .required = true, .nullable = true},
    {.name = "attempts", .type = Type::integer, .required = true, .max = INT64_MAX},
    {.name = "status", .type = Type::integer, .required = true, .max = 999, .nullable = true},
    {.name = "verdict", .required = true},
    {.name = "exhausted_at", .required = true}};
constexpr Shape kLetter{"dead_letter", kLetterFields};
constexpr Field kLetterListFields[] = {
    {.name = "data",
     .type = Type::array,
     .required = true,
     .max = 100,
     .shape = &kLetter,
     .item = Type::object},
    {.name = "next_cursor", .required = true, .max = 512, .nullable = true}};
constexpr Shape kLetterList{"dead_letters", kLetterListFields};

constexpr Field kReplayFields[] = {
    {.name = "event_id", .min = 5, .max = 64, .about = "This one event."},
    {.name = "failed", .type = Type::boolean, .about = "true: all dead letters."},
    {.name = "dead_letter",
     .type = Type::integer,
     .min = 1,
     .max = INT64_MAX,
     .about = "The dead letter with this number."},
    {.name = "since", .max = 40, .about = "ISO 8601 in UTC, inclusive."},
    {.name = "until", .max = 40, .about = "ISO 8601 in UTC, exclusive."},
    {.name = "chat", .min = 1, .max = 128, .about = "data.chat.id; alone or with a time range."}};
constexpr Shape kReplay{"webhook_replay", kReplayFields, 1};
constexpr std::string_view kJobStates[] = {"running", "done", "failed"};
constexpr Field kJobFields[] = {
    {.name = "id", .required = true},
    {.name = "webhook_id", .required = true},
    {.name = "state", .required = true, .one_of = kJobStates},
    {.name = "examined", .type = Type::integer, .required = true, .max = INT64_MAX},
    {.name = "queued",
     .type = Type::integer,
     .required = true,
     .max = INT64_MAX,
     .about = "Deliveries made so far."},
    {.name = "created_at", .required = true},
    {.name = "updated_at", .required = true}};
constexpr Shape kJob{"webhook_replay_job", kJobFields};
constexpr size_t kMostJobs = 100;
constexpr Field kJobListFields[] = {
    {.name = "data",
     .type = Type::array,
     .required = true,
     .max = kMostJobs,
     .shape = &kJob,
     .item = Type::object},
    {.name = "next_cursor", .required = true, .max = 512, .nullable = true}};
constexpr Shape kJobList{"webhook_replay_jobs", kJobListFields};
constexpr Field kTestFields[] = {
    {.name = "delivered", .type = Type::boolean, .required = true},
    {.name = "attempt", .type = Type::object, .required = true, .shape = &kAttemptShape}};
constexpr Shape kTested{"webhook_test", kTestFields};

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }
json time_or_null(UnixMillis at) { return at == 0 ? json(nullptr) : json(to_iso8601(at)); }
json status_or_null(int status) { return status == 0 ? json(nullptr) : json(status); }

// The cut may have split a character; bytes that are no text are shown as question marks.
std::string readable(const Bytes& answer) {
  ByteView view(answer);
  const bool whole = answer.size() < webhook::Attempt::kAnswerKept;
  for (int cut = 0; cut < 4 && !whole && !is_utf8(view); ++cut) {
    view = view.first(view.size() - 1);
  }
  if (is_utf8(view)) return to_string(view);
  std::string out = to_string(ByteView(answer));
  for (char& c : out) {
    if ((static_cast<uint8_t>(c) & 0x80) != 0) c = '?';
  }
  return out;
}

json shown(const EndpointId& endpoint, uint64_t number, const webhook::Attempt& attempt) {
  auto step = [](int64_t us) { return us < 0 ? json(nullptr) : json(us); };
  const auto& t = attempt.timings;
  return {{"number", number},
          {"webhook_id", endpoint.text()},
          {"event_id", attempt.event_id},
          {"event_type", attempt.event_type},
          {"attempted_at", to_iso8601(attempt.at)},
          {"attempt", attempt.attempt},
          {"trigger", webhook::trigger_word(attempt.trigger)},
          {"status", status_or_null(attempt.status)},
          {"verdict", attempt.verdict},
          {"address", text_or_null(attempt.address)},
          {"reused", attempt.reused},
          {"timings",
           {{"dns_us", step(t.dns)},
            {"connect_us", step(t.connect)},
            {"tls_us", step(t.tls)},
            {"first_byte_us", step(t.first_byte)},
            {"total_us", step(t.total)}}},
          {"next_attempt_at", time_or_null(attempt.next_attempt)},
          {"response", attempt.status == 0 ? json(nullptr) : json(readable(attempt.answer))},
          {"response_bytes", attempt.answer_bytes}};
}

json shown(const webhook::ReplayJob& job) {
  return {{"id", job.id.text()},
          {"webhook_id", job.endpoint.text()},
          {"state", webhook::state_word(job.state)},
          {"examined", job.examined},
          {"queued", job.queued},
          {"created_at", to_iso8601(job.created_at)},
          {"updated_at", to_iso8601(job.updated_at)}};
}

uint64_t mark_of(const std::string& text) {
  uint64_t out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || out > UINT64_MAX / 20) return 0;
    out = out * 10 + static_cast<uint64_t>(c - '0');
  }
  return out;
}

std::string next_of(uint64_t before) { return before == 0 ? "" : std::to_string(before); }

awaitable<Outcome<Answer>> attempts(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  auto record = co_await call.app.endpoints.get(call.org(), *id);
  if (!record) co_return refuse(std::move(record.error()));
  const std::string list = "attempts/" + id->text();
  auto wish = page_wish(call, list);
  if (!wish) co_return refuse(wish.error());
  const std::string outcome(call.request.parameter("outcome"));
  const int64_t status = call.number("status", -1);
  std::function<bool(const webhook::Attempt&)> wanted = [outcome,
                                                         status](const webhook::Attempt& one) {
    if (status >= 0 && one.status != status) return false;
    return outcome.empty() || (outcome == "delivered") == one.delivered();
  };
  json data = json::array();
  const std::string event(call.request.parameter("event"));
  if (!event.empty()) {
    auto rows = co_await webhook::attempts_of_event(&call.app.store, call.org(), *id, event);
    if (!rows) co_return refuse(problem_of(rows.error()));
    for (const auto& [number, row] : *rows) {
      if (wanted(row)) data.push_back(shown(*id, number, row));
    }
    co_return page_answer(call, list, std::move(data), "");
  }
  auto page = co_await webhook::read_attempts(&call.app.store, call.org(), *id,
                                              mark_of(wish->after), wish->limit, std::move(wanted));
  if (!page) co_return refuse(problem_of(page.error()));
  for (const auto& [number, row] : page->rows) data.push_back(shown(*id, number, row));
  co_return page_answer(call, list, std::move(data), next_of(page->before));
}

// Of all endpoints of the organization.
awaitable<Outcome<Answer>> event_attempts(Call& call) {
  const std::string event = call.ids[0];
  json data = json::array();
  std::string after;
  do {
    auto page = co_await call.app.endpoints.list(call.org(), after, 100);
    if (!page) co_return refuse(std::move(page.error()));
    for (const auto& record : page->endpoints) {
      auto rows =
          co_await webhook::attempts_of_event(&call.app.store, call.org(), record.id, event);
      if (!rows) co_return refuse(problem_of(rows.error()));
      for (const auto& [number, row] : *rows) data.push_back(shown(record.id, number, row));
    }
    after = page->next;
  } while (!after.empty());
  if (data.empty()) co_return refuse(Code::not_found);
  co_return page_answer(call, "event_attempts", std::move(data), "");
}

awaitable<Outcome<Answer>> dead_letters(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  auto record = co_await call.app.endpoints.get(call.org(), *id);
  if (!record) co_return refuse(std::move(record.error()));
  const std::string list = "dead_letters/" + id->text();
  auto wish = page_wish(call, list);
  if (!wish) co_return refuse(wish.error());
  auto page = co_await webhook::read_dead_letters(&call.app.store, call.org(), *id,
                                                  mark_of(wish->after), wish->limit);
  if (!page) co_return refuse(problem_of(page.error()));
  json data = json::array();
  for (const auto& [number, row] : page->rows) {
    const bool operational = webhook::is_operational(row.event_type);
    data.push_back({{"number", number},
                    {"event_id", row.event_id},
                    {"event_type", row.event_type},
                    {"session_id", operational ? json(nullptr) : json(row.session.text())},
                    {"attempts", row.attempts},
                    {"status", status_or_null(row.status)},
                    {"verdict", row.verdict},
                    {"exhausted_at", to_iso8601(row.at)}});
  }
  co_return page_answer(call, list, std::move(data), next_of(page->before));
}

// "2026-11-24T10:00:00Z", with or without milliseconds; nothing for anything else.
std::optional<UnixMillis> parse_time(const std::string& text) {
  std::tm at{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &at);
  if (rest == nullptr) return std::nullopt;
  UnixMillis out = static_cast<UnixMillis>(timegm(&at)) * 1000;
  if (*rest == '.') {
    int64_t scale = 100;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, scale /= 10) out += scale * (*rest - '0');
  }
  if (std::string_view(rest) != "Z") return std::nullopt;
  return out;
}

Outcome<webhook::ReplayWish> wish_of(const json& body) {
  webhook::ReplayWish wish;
  Problem problem;
  problem.code = Code::invalid_body;
  wish.event_id = text_of(body, "event_id");
  const bool letter = body.contains("dead_letter");
  wish.failed = body.value("failed", false) || letter;
  wish.chat = text_of(body, "chat");
  const struct {
    const char* name;
    UnixMillis& into;
  } times[] = {{"since", wish.since}, {"until", wish.until}};
  for (const auto& one : times) {
    if (!body.contains(one.name)) continue;
    const auto at = parse_time(text_of(body, one.name));
    if (!at || *at <= 0) {
      problem.errors.push_back(
          {std::string("/") + one.name, "is not such as 2026-11-24T10:00:00Z"});
    } else {
      one.into = *at;
    }
  }
  const bool range = wish.since != 0 || wish.until != 0 || !wish.chat.empty();
  const int ways = (wish.event_id.empty() ? 0 : 1) + (body.value("failed", false) ? 1 : 0) +
                   (letter ? 1 : 0) + (range ? 1 : 0);
  if (problem.errors.empty() && ways != 1) {
    problem.errors.push_back(
        {"", "needs one of event_id, failed: true, dead_letter, or since, until and chat"});
  }
  if (problem.errors.empty() && wish.until != 0 && wish.until <= wish.since) {
    problem.errors.push_back({"/until", "is not after since"});
  }
  if (!problem.errors.empty()) return refuse(std::move(problem));
  return wish;
}

// Jobs of the organization that ended long ago go with the next one.
awaitable<Result<void>> drop_old_jobs(App* app, storage::OrgScope org, storage::Commit* commit) {
  std::string after;
  do {
    CO_TRY(auto page, co_await app->store.scan(org, Kind::replay_job, after, 200));
    for (const auto& row : page.rows) {
      const auto job = webhook::decode_replay_job(row.value);
      const bool over = job && job->state != webhook::ReplayJob::State::running &&
                        job->updated_at + webhook::ReplayJob::kKept < app->clock.now_ms();
      if (over) commit->erase.push_back(row.key);
    }
    after = page.next;
  } while (!after.empty());
  co_return ok();
}

awaitable<Outcome<Answer>> replay(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  auto record = co_await call.app.endpoints.get(call.org(), *id);
  if (!record) co_return refuse(std::move(record.error()));
  auto wish = wish_of(call.body);
  if (!wish) co_return refuse(std::move(wish.error()));
  if (!record->enabled) co_return refuse(Code::conflict, "The endpoint is disabled.");
  if (call.app.deliveries == nullptr) co_return refuse(Code::stopping);
  webhook::ReplayJob job;
  job.id = webhook::ReplayId::random(call.app.random);
  job.endpoint = *id;
  job.wish = std::move(*wish);
  job.created_at = job.updated_at = call.app.clock.now_ms();
  if (job.wish.failed) {
    auto end = co_await webhook::dead_letters_end(&call.app.store, call.org(), *id);
    if (!end) co_return refuse(problem_of(end.error()));
    job.end = *end;
  }
  if (call.body.contains("dead_letter")) {
    const auto number = call.body["dead_letter"].get<uint64_t>();
    if (number >= job.end) co_return refuse(Code::not_found);
    job.cursor = number - 1;
    job.end = number + 1;
  }
  auto answer = json_answer(202, shown(job));
  storage::Commit commit{storage::Scope(call.org())};
  commit.put = call.repeatable(answer);
  storage::Row row;
  row.key.kind = Kind::replay_job;
  row.key.name = job.id.text();
  row.value = encode(job);
  commit.put.push_back(std::move(row));
  storage::Commit* into = &commit;
  App* app = &call.app;
  auto cleaned = co_await drop_old_jobs(app, call.org(), into);
  if (!cleaned) co_return refuse(problem_of(cleaned.error()));
  // One at a time. The row comes first: a job that is stored runs, if not now then after a start.
  auto running = co_await call.app.deliveries->replaying(*id);
  if (running) co_return refuse(Code::conflict, "Another replay of this endpoint is running.");
  auto stored = co_await call.app.store.commit(std::move(commit));
  if (!stored) co_return refuse(problem_of(stored.error()));
  auto started = co_await call.app.deliveries->replay(std::move(job));
  (void)started;
  co_return answer;
}

awaitable<Outcome<Answer>> replay_job(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  const auto wanted = call.id<webhook::ReplayId>(1);
  if (!wanted) co_return refuse(wanted.error());
  std::vector<storage::Key> keys(1);
  keys[0].kind = Kind::replay_job;
  keys[0].name = wanted->text();
  auto values = co_await call.app.store.load(call.org(), std::move(keys));
  if (!values) co_return refuse(problem_of(values.error()));
  const auto job = (*values)[0] ? webhook::decode_replay_job(*(*values)[0]) : std::nullopt;
  if (!job || job->endpoint != *id) co_return refuse(Code::not_found);
  co_return json_answer(200, shown(*job));
}

// Names of jobs say nothing about their age: all are read, there are few.
awaitable<Outcome<Answer>> replay_jobs(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  auto record = co_await call.app.endpoints.get(call.org(), *id);
  if (!record) co_return refuse(std::move(record.error()));
  std::vector<webhook::ReplayJob> jobs;
  std::string after;
  do {
    auto page = co_await call.app.store.scan(call.org(), Kind::replay_job, after, 200);
    if (!page) co_return refuse(problem_of(page.error()));
    for (const auto& row : page->rows) {
      auto job = webhook::decode_replay_job(row.value);
      if (job && job->endpoint == *id) jobs.push_back(std::move(*job));
    }
    after = page->next;
  } while (!after.empty());
  std::ranges::sort(jobs, std::greater(), &webhook::ReplayJob::created_at);
  if (jobs.size() > kMostJobs) jobs.resize(kMostJobs);
  json data = json::array();
  for (const auto& job : jobs) data.push_back(shown(job));
  co_return page_answer(call, "replay_jobs", std::move(data), "");
}

awaitable<Outcome<Answer>> test(Call& call) {
  const auto id = call.id<EndpointId>();
  if (!id) co_return refuse(id.error());
  auto record = co_await call.app.endpoints.get(call.org(), *id);
  if (!record) co_return refuse(std::move(record.error()));
  if (call.app.deliveries == nullptr) co_return refuse(Code::stopping);
  auto attempt = co_await call.app.deliveries->test(*id);
  if (!attempt) co_return refuse(Code::overloaded);
  json out = {{"delivered", attempt->delivered()}, {"attempt", shown(*id, 0, *attempt)}};
  co_return json_answer(200, out);
}

constexpr Reply kAttemptPage[] = {{200, "Newest first; kept for 30 days", &kAttemptList}};
constexpr Reply kLetterPage[] = {{200, "Newest first; kept for 30 days", &kLetterList}};
constexpr Reply kAccepted[] = {{202, "The job runs", &kJob}};
constexpr Reply kJobReply[] = {{200, "The job", &kJob}};
constexpr Reply kJobsReply[] = {{200, "The newest 100; kept for 30 days", &kJobList}};
constexpr Reply kTestReply[] = {{200, "What the receiver answered", &kTested}};
constexpr Code kPageProblems[] = {Code::invalid_cursor};
constexpr Code kReplayProblems[] = {Code::conflict};
constexpr Code kTestProblems[] = {Code::overloaded};
constexpr auto kOrg = Access::organization;
constexpr auto kReads = Permission::webhooks_read, kWrites = Permission::webhooks_write;
constexpr Route kRoutes[] = {
    {"GET", "/v1/webhooks/{id}/attempts", "listWebhookAttempts", "List attempts of an endpoint",
     kOrg, kReads, nullptr, &kAttemptQuery, attempts, kAttemptPage, kPageProblems},
    {"GET", "/v1/events/{id}/attempts", "listEventAttempts", "List attempts of an event", kOrg,
     kReads, nullptr, nullptr, event_attempts, kAttemptPage},
    {"GET", "/v1/webhooks/{id}/dead-letters", "listDeadLetters",
     "List deliveries that were given up", kOrg, kReads, nullptr, &kPageQuery, dead_letters,
     kLetterPage, kPageProblems},
    {"POST", "/v1/webhooks/{id}/replay", "replayWebhook", "Send again", kOrg, kWrites, &kReplay,
     nullptr, replay, kAccepted, kReplayProblems, "webhook.replay"},
    {"GET", "/v1/webhooks/{id}/replay", "listWebhookReplays", "List replays", kOrg, kReads, nullptr,
     nullptr, replay_jobs, kJobsReply},
    {"GET", "/v1/webhooks/{id}/replay/{job}", "getWebhookReplay", "Progress of a replay", kOrg,
     kReads, nullptr, nullptr, replay_job, kJobReply},
    {"POST", "/v1/webhooks/{id}/test", "testWebhook", "Send a test event now", kOrg, kWrites,
     nullptr, nullptr, test, kTestReply, kTestProblems, "webhook.test"}};

}  // namespace

std::span<const Route> webhook_log_routes() { return kRoutes; }

}  // namespace wab::bridge
