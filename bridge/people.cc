#include "bridge/people.h"

#include <sodium.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bridge/stored.h"

namespace wab::bridge {

using nlohmann::json;
using storage::Key;
using storage::Kind;

namespace {

constexpr unsigned long long kPasses = 3;
constexpr size_t kMemory = 64 * 1024 * 1024;
constexpr const char* kSetupDone = "setup";

std::string folded(std::string email) {
  std::transform(email.begin(), email.end(), email.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return email;
}

Problem pool_problem(const Error& error) {
  if (error.is(PoolError::full)) {
    Problem problem;
    problem.code = Code::rate_limited;
    problem.retry_after = 1;
    return problem;
  }
  return Problem{Code::stopping, {}};
}

// A hash of nothing in particular, so that an unknown address costs the same as a known one.
const std::string& decoy() {
  static const std::string hash = [] {
    char out[crypto_pwhash_STRBYTES];
    const std::string text = "no such user";
    if (crypto_pwhash_str_alg(out, text.data(), text.size(), kPasses, kMemory,
                              crypto_pwhash_ALG_ARGON2ID13) != 0) {
      return std::string();
    }
    return std::string(out);
  }();
  return hash;
}

}  // namespace

People::People(storage::Store& store, storage::OrgScope deployment, Auth& auth, Clock& clock,
               Random& random, BlockingPool& password)
    : store_(store),
      deployment_(deployment),
      auth_(auth),
      clock_(clock),
      random_(random),
      password_(password) {}

awaitable<Outcome<std::string>> People::hash(std::string password) {
  auto work = [password = std::move(password)]() mutable {
    char out[crypto_pwhash_STRBYTES] = {};
    const int failed = crypto_pwhash_str_alg(out, password.data(), password.size(), kPasses,
                                             kMemory, crypto_pwhash_ALG_ARGON2ID13);
    sodium_memzero(password.data(), password.size());
    return failed ? std::string() : std::string(out);
  };
  auto done = co_await password_.run(std::move(work));
  if (!done) co_return refuse(pool_problem(done.error()));
  if (done->empty()) co_return refuse(Code::overloaded);
  co_return std::move(*done);
}

awaitable<Outcome<bool>> People::verify(std::string hash, std::string password) {
  auto work = [hash = std::move(hash), password = std::move(password)]() mutable {
    const std::string& against = hash.empty() ? decoy() : hash;
    const bool same =
        crypto_pwhash_str_verify(against.c_str(), password.data(), password.size()) == 0;
    sodium_memzero(password.data(), password.size());
    return same && !hash.empty();
  };
  auto done = co_await password_.run(std::move(work));
  if (!done) co_return refuse(pool_problem(done.error()));
  co_return *done;
}

awaitable<Outcome<std::optional<std::string>>> People::prepare_setup() {
  const std::string name = kSetupDone;
  auto done = co_await load_one(store_, deployment_, Kind::deployment_meta, name);
  if (!done) co_return refuse(problem_of(done.error()));
  if (*done) {
    setup_pending_ = false;
    co_return std::optional<std::string>();
  }
  std::string token = make_token(TokenKind::setup, random_);
  const json row = {{"v", 1},
                    {"hash", to_hex(store_.keyed_hash(deployment_, "setup", view(token)))},
                    {"expires_at", clock_.now_ms() + kSetupLifeMs}};
  storage::Commit commit{storage::Scope(deployment_)};
  commit.put.push_back(json_row(Kind::setup_token, "", row));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  setup_pending_ = true;
  co_return std::optional<std::string>(std::move(token));
}

awaitable<Outcome<MintedToken>> People::setup(std::string setup_token, std::string email,
                                              std::string password,
                                              std::chrono::seconds token_life) {
  if (!setup_pending_) co_return refuse(Code::setup_done);
  if (setup_running_.exchange(true)) co_return refuse(Code::conflict, "Another setup is running.");
  struct Running {
    std::atomic<bool>& flag;
    ~Running() { flag = false; }
  } running{setup_running_};

  if (check_token(setup_token) != TokenKind::setup) co_return refuse(Code::unauthenticated);
  const std::string none;
  auto stored = co_await load_one(store_, deployment_, Kind::setup_token, none);
  if (!stored) co_return refuse(problem_of(stored.error()));
  const auto hash_of_token = to_hex(store_.keyed_hash(deployment_, "setup", view(setup_token)));
  if (!*stored || clock_.now_ms() >= number_at(**stored, "expires_at") ||
      !equal_constant_time(view(text_at(**stored, "hash")), view(hash_of_token))) {
    co_return refuse(Code::unauthenticated,
                     "The setup token is wrong or older than 30 minutes; restart for a new one.");
  }
  auto hashed = co_await hash(std::move(password));
  if (!hashed) co_return refuse(hashed.error());

  email = folded(std::move(email));
  const auto id = UserId::random(random_);
  const json user = {{"v", 1},
                     {"id", id.text()},
                     {"email", email},
                     {"role", "operator"},
                     {"password", *hashed},
                     {"created_at", clock_.now_ms()}};
  const json done = {{"v", 1}, {"at", clock_.now_ms()}};
  const std::string name = "setup by " + email;
  auto minted = auth_.mint(deployment_, name, Role::operators, std::nullopt, token_life);
  storage::Commit commit{storage::Scope(deployment_)};
  commit.put.push_back(json_row(Kind::user, email, user));
  commit.put.push_back(json_row(Kind::deployment_meta, kSetupDone, done));
  commit.put.push_back(minted.lookup);
  commit.put.push_back(minted.row);
  commit.erase.push_back(Key{Kind::setup_token, ""});
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  setup_pending_ = false;
  co_return std::move(minted);
}

awaitable<Outcome<UserId>> People::create_user(std::string email, std::string password, Role role,
                                               std::optional<OrgId> org) {
  email = folded(std::move(email));
  auto taken = co_await load_one(store_, deployment_, Kind::user, email);
  if (!taken) co_return refuse(problem_of(taken.error()));
  if (*taken) co_return refuse(Code::conflict, "This e-mail address has a user.");
  auto hashed = co_await hash(std::move(password));
  if (!hashed) co_return refuse(hashed.error());
  const auto id = UserId::random(random_);
  const json user = {{"v", 1},
                     {"id", id.text()},
                     {"email", email},
                     {"role", role_word(role)},
                     {"org", org ? org->text() : ""},
                     {"password", *hashed},
                     {"created_at", clock_.now_ms()}};
  storage::Commit commit{storage::Scope(deployment_)};
  commit.put.push_back(json_row(Kind::user, email, user));
  if (role == Role::operators) {
    const json done = {{"v", 1}, {"at", clock_.now_ms()}};
    commit.put.push_back(json_row(Kind::deployment_meta, kSetupDone, done));
    commit.erase.push_back(Key{Kind::setup_token, ""});
  }
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  if (role == Role::operators) setup_pending_ = false;
  co_return id;
}

awaitable<Outcome<People::Login>> People::login(std::string email, std::string password) {
  email = folded(std::move(email));
  auto user = co_await load_one(store_, deployment_, Kind::user, email);
  if (!user) co_return refuse(problem_of(user.error()));
  std::string stored_hash = *user ? text_at(**user, "password") : std::string();
  auto same = co_await verify(std::move(stored_hash), std::move(password));
  if (!same) co_return refuse(same.error());
  if (!*same) co_return refuse(Code::bad_credentials);

  Login out;
  out.cookie = to_base64url(random_.array<32>());
  out.role = parse_role(text_at(**user, "role")).value_or(Role::viewer);
  out.organization = text_at(**user, "org");
  const auto now = clock_.now_ms();
  const json session = {{"v", 1}, {"user", email}, {"created_at", now}, {"seen_at", now}};
  const auto name = to_hex(store_.keyed_hash(deployment_, "browser", view(out.cookie)));
  storage::Commit commit{storage::Scope(deployment_)};
  commit.put.push_back(json_row(Kind::browser_session, name, session));
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return std::move(out);
}

awaitable<Outcome<void>> People::logout(std::string cookie) {
  storage::Commit commit{storage::Scope(deployment_)};
  commit.erase.push_back(
      Key{Kind::browser_session, to_hex(store_.keyed_hash(deployment_, "browser", view(cookie)))});
  auto written = co_await store_.commit(std::move(commit));
  if (!written) co_return refuse(problem_of(written.error()));
  co_return Outcome<void>();
}

}  // namespace wab::bridge
