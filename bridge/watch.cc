#include "bridge/watch.h"

namespace wab::bridge {

Watch::Watch(Shards& watched, const Config& config, storage::RocksStore& store,
             storage::Scope deployment, Sessions& sessions, Clock& clock, Random& random,
             std::function<std::string()> not_ready)
    : clock_(clock),
      liveness_(watched),
      readiness_(store, deployment, clock, random, std::move(not_ready)),
      meters_(sessions, store, liveness_, clock,
              static_cast<double>(config.whatsapp.connects_per_second)),
      ops_(loop_, config,
           Ops::Answers{[this] { return liveness_.stuck(clock_.steady()); },
                        [this] { return readiness_.look(); }, [this] { return meters_.read(); }}) {}

Watch::~Watch() = default;

void Watch::start() {
  loop_.run();
  ops_.start();
  spawn(loop_.executor(0), gate_, look(), "watch.loops");
}

awaitable<void> Watch::look() {
  while (!stopping_) {
    liveness_.look(clock_.steady());
    const SteadyTime next = std::chrono::steady_clock::now() + Liveness::kLook;
    co_await stop_.wait_until(next);
  }
}

awaitable<void> Watch::end() {
  stopping_ = true;
  stop_.notify_all();
  co_await ops_.close();
  co_await gate_.close();
  co_await meters_.close();
  co_await readiness_.close();
}

awaitable<void> Watch::close() {
  std::function<awaitable<void>()> work = [this] { return end(); };
  co_await on<void>(loop_.executor(0), std::move(work));
}

}  // namespace wab::bridge
