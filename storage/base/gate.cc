#include "storage/base/gate.h"

#include <cassert>

#include "storage/base/log.h"

namespace wab {

Gate::~Gate() {
  if (inside_ != 0) {
    log_error("gate.destroyed_with_work_inside", {{"inside", inside_}});
    assert(inside_ == 0);
  }
}

Gate::Pass Gate::enter() {
  if (closing_) return Pass();
  ++inside_;
  return Pass(this);
}

void Gate::leave() {
  if (--inside_ == 0) empty_.notify_all();
}

awaitable<void> Gate::close() {
  closing_ = true;
  while (inside_ != 0) co_await empty_.wait();
}

}  // namespace wab
