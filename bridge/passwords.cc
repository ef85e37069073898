#include "bridge/passwords.h"

#include <sodium.h>

#include <algorithm>

#include "bridge/password_list.h"

namespace wab::bridge {
namespace {

constexpr unsigned long long kPasses = 3;
constexpr size_t kMemory = 64 * 1024 * 1024;
// What is on every page and letter of the product.
constexpr std::string_view kContext[] = {"waslo", "whatsapp"};
constexpr size_t kShortestLocalPart = 4;

Problem pool_problem(const Error& error) {
  if (!error.is(PoolError::full)) return Problem{Code::stopping, {}};
  Problem problem;
  problem.code = Code::rate_limited;
  problem.retry_after = 1;
  return problem;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

tl::unexpected<Problem> weak(const char* why) {
  Problem problem;
  problem.code = Code::weak_password;
  problem.detail = std::string("This password ") + why + ".";
  problem.errors.push_back({"/password", why});
  return refuse(std::move(problem));
}

}  // namespace

const char* const kDecoyHash =
    "$argon2id$v=19$m=65536,t=3,p=1$qrJ+SSQH+fKpG4sYUeaSNQ$"
    "wOYRPSdxoLv6icIzYNBECEJA1qzt3q6X3e0BsgPLilA";

awaitable<Outcome<std::string>> Passwords::hash(std::string password) {
  auto work = [this, password = std::move(password)]() mutable {
    ++operations_;
    char out[crypto_pwhash_STRBYTES] = {};
    const int failed = crypto_pwhash_str_alg(out, password.data(), password.size(), kPasses,
                                             kMemory, crypto_pwhash_ALG_ARGON2ID13);
    sodium_memzero(password.data(), password.size());
    return failed ? std::string() : std::string(out);
  };
  auto done = co_await pool_.run(std::move(work));
  if (!done) co_return refuse(pool_problem(done.error()));
  if (done->empty()) co_return refuse(Code::overloaded);
  co_return std::move(*done);
}

awaitable<Outcome<Passwords::Verified>> Passwords::verify(std::string stored,
                                                          std::string password) {
  auto work = [this, stored = std::move(stored), password = std::move(password)]() mutable {
    ++operations_;
    const char* const against = stored.empty() ? kDecoyHash : stored.c_str();
    Verified out;
    const int same = crypto_pwhash_str_verify(against, password.data(), password.size());
    out.same = same == 0 && !stored.empty();
    out.stale = out.same && crypto_pwhash_str_needs_rehash(against, kPasses, kMemory) != 0;
    sodium_memzero(password.data(), password.size());
    return out;
  };
  auto done = co_await pool_.run(std::move(work));
  if (!done) co_return refuse(pool_problem(done.error()));
  co_return *done;
}

Outcome<void> judge_password(std::string_view password, std::string_view email) {
  const auto characters = std::count_if(password.begin(), password.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;  // not a later byte of UTF-8
  });
  if (characters < kPasswordMin) return weak("is shorter than 12 characters");
  if (characters > kPasswordMax) return weak("is longer than 256 characters");
  const std::string folded = lower(password), local = lower(email.substr(0, email.find('@')));
  if (is_common_password(folded)) return weak("is one of those that attackers try first");
  for (const auto word : kContext) {
    if (folded.find(word) != std::string::npos) return weak("contains the name of this product");
  }
  if (local.size() >= kShortestLocalPart && folded.find(local) != std::string::npos) {
    return weak("contains the e-mail address of its user");
  }
  return {};
}

}  // namespace wab::bridge
