#include "bridge/google_step.h"

#include <charconv>

namespace wab::bridge {
namespace {

std::string seal_of(App& app, std::string_view content, UnixMillis linked_at) {
  const std::string all = std::string(content) + " " + std::to_string(linked_at);
  return to_base64url(app.store.keyed_hash(app.audit.deployment(), "google step", view(all)));
}

}  // namespace

awaitable<Outcome<std::string>> begin_step(App& app, std::string user) {
  std::string content =
      to_base64url(app.random.array<16>()) + "." + std::to_string(app.clock.now_s()) + "." + user;
  auto linked = co_await app.people.linked_identity(std::move(user));
  if (!linked) co_return refuse(linked.error());
  co_return content + "." + seal_of(app, content, linked->linked_at);
}

awaitable<Outcome<UserRecord>> user_of_step(App& app, std::string cookie) {
  const auto last = cookie.rfind('.');
  const std::string content = cookie.substr(0, last);
  const auto first = content.find('.'), second = content.rfind('.');
  if (last == std::string::npos || first == std::string::npos || first == second) {
    co_return refuse(Code::signin_refused);
  }
  UnixSeconds at = 0;
  const char* end = content.data() + second;
  const auto read = std::from_chars(content.data() + first + 1, end, at);
  const auto now = app.clock.now_s();
  if (read.ec != std::errc() || read.ptr != end || now >= at + kStepLifeS || at > now + 60) {
    co_return refuse(Code::signin_refused);
  }
  std::string id = content.substr(second + 1), same = id;
  auto linked = co_await app.people.linked_identity(std::move(id));
  if (!linked && linked.error().code != Code::not_found) co_return refuse(linked.error());
  const std::string seal = cookie.substr(last + 1);
  if (!linked || !equal_constant_time(view(seal), view(seal_of(app, content, linked->linked_at)))) {
    co_return refuse(Code::signin_refused);
  }
  auto user = co_await app.auth.users().by_id(std::move(same));
  if (!user && user.error().code == Code::not_found) co_return refuse(Code::signin_refused);
  co_return user;
}

std::string step_cookie(const std::string& value) {
  return std::string(kStepCookie) + "=" + value + "; Path=/; Secure; HttpOnly; SameSite=Lax" +
         "; Max-Age=" + (value.empty() ? "0" : std::to_string(kStepLifeS));
}

}  // namespace wab::bridge
