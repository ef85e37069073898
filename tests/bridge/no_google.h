// The outside of Google sign-in for tests that never get there.
#pragma once

#include "bridge/google.h"
#include "tests/bridge/people_bench.h"

namespace wab::bridge::test {

// A provider that nobody reaches.
class NoGoogle final : public GoogleContext {
 public:
  explicit NoGoogle(PeopleBench& bench) : bench_(bench) {}
  awaitable<Result<WebAnswer>> fetch(WebAsk) override {
    co_return fail(GoogleError::unreachable, "test");
  }
  Clock& clock() override { return bench_.clock; }
  Random& random() override { return bench_.random; }
  ByteArray<32> keyed_hash(std::string_view, std::string_view) override { return {}; }

 private:
  PeopleBench& bench_;
};

}  // namespace wab::bridge::test
