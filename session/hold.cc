#include "session/hold.h"

#include "storage/base/async.h"

namespace wab::session {
namespace {

constexpr std::chrono::milliseconds kLook{500};

}  // namespace

bool is_pushed(const node::Node& stanza) {
  return stanza.tag == "message" || stanza.tag == "receipt" || stanza.tag == "notification" ||
         stanza.tag == "call";
}

bool Hold::takes(const node::Node& stanza, bool& began) {
  began = false;
  if (!is_pushed(stanza)) return false;
  if (on_) return true;
  if (!context_.outbox_full()) return false;
  began = on_ = true;
  return true;
}

awaitable<void> Hold::wait_for_room(std::function<bool()> over) {
  while (!over() && context_.outbox_full()) {
    const SteadyTime next = context_.clock().steady() + kLook;
    co_await sleep_until(next);
  }
}

}  // namespace wab::session
