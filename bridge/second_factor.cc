// People: one-time codes of an app, and the recovery codes that stand in for them.

#include <algorithm>

#include "bridge/people.h"
#include "bridge/totp.h"

namespace wab::bridge {

std::string People::recovery_name(const UserRecord& user, std::string_view code) const {
  const std::string text = user.id.text() + " " + folded_recovery_code(code);
  return to_hex(store_.keyed_hash(deployment_, "recovery", view(text)));
}

bool People::spend_code(UserRecord& user, std::string_view code) const {
  const auto secret = parse_totp_secret(user.totp_secret);
  if (!secret) return false;
  if (const auto step = match_totp(*secret, code, clock_.now_s(), user.totp_step)) {
    user.totp_step = *step;
    return true;
  }
  const std::string name = recovery_name(user, code);
  const auto used = std::find_if(
      user.recovery.begin(), user.recovery.end(),
      [&](const std::string& one) { return equal_constant_time(view(one), view(name)); });
  if (used == user.recovery.end()) return false;
  user.recovery.erase(used);
  return true;
}

awaitable<Outcome<People::TotpOffer>> People::begin_totp(std::string id) {
  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_id(std::move(id));
  if (!user) co_return refuse(user.error());
  if (!user->totp_secret.empty()) {
    co_return refuse(Code::conflict, "The second factor is on: take it off first.");
  }
  TotpOffer out;
  out.secret = totp_secret_text(random_.array<kTotpSecret>());
  out.uri = totp_uri(out.secret, user->email);
  user->totp_pending = out.secret;
  auto written = co_await users_.write(std::move(*user));
  if (!written) co_return refuse(written.error());
  co_return std::move(out);
}

awaitable<Outcome<std::vector<std::string>>> People::confirm_totp(std::string id,
                                                                  std::string code) {
  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_id(std::move(id));
  if (!user) co_return refuse(user.error());
  const auto secret = parse_totp_secret(user->totp_pending);
  if (!user->totp_secret.empty() || !secret) {
    co_return refuse(Code::conflict, "Begin with POST /v1/me/totp.");
  }
  const auto step = match_totp(*secret, code, clock_.now_s(), 0);
  if (!step) co_return refuse(Code::code_refused);
  user->totp_secret = std::exchange(user->totp_pending, "");
  user->totp_step = *step;
  user->recovery.clear();
  std::vector<std::string> codes;
  for (size_t i = 0; i < kRecoveryCodes; ++i) {
    codes.push_back(make_recovery_code(random_));
    user->recovery.push_back(recovery_name(*user, codes.back()));
  }
  auto written = co_await users_.write(std::move(*user));
  if (!written) co_return refuse(written.error());
  co_return std::move(codes);
}

awaitable<Outcome<void>> People::end_totp(std::string id, std::string code) {
  const auto turn = co_await users_.turn();
  auto user = co_await users_.by_id(std::move(id));
  if (!user) co_return refuse(user.error());
  if (user->totp_secret.empty()) co_return refuse(Code::conflict, "The second factor is off.");
  if (!spend_code(*user, code)) co_return refuse(Code::code_refused);
  user->totp_secret.clear();
  user->totp_step = 0;
  user->recovery.clear();
  auto written = co_await users_.write(std::move(*user));
  co_return written;
}

}  // namespace wab::bridge
