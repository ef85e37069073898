// Google sign-in connected to the world: HTTPS with the provider's authorities, the guard of
// webhook targets, the files of the configuration.
#pragma once

#include <memory>
#include <tl/expected.hpp>

#include "bridge/config.h"
#include "bridge/google.h"
#include "session/wire/dial.h"
#include "storage/store.h"

namespace wab::bridge {

// Any shard. One connection per question: there are few.
class GoogleOutside final : public GoogleContext {
 public:
  static constexpr std::chrono::seconds kConnect{5}, kWhole{10};

  GoogleOutside(BlockingPool& lookup, wire::TlsContext trust, wire::AddressJudge judge,
                storage::Store& store, storage::OrgScope deployment, Clock& clock, Random& random);
  awaitable<Result<WebAnswer>> fetch(WebAsk ask) override;
  Clock& clock() override { return clock_; }
  Random& random() override { return random_; }
  ByteArray<32> keyed_hash(std::string_view purpose, std::string_view data) override;

 private:
  wire::Dialer dialer_;
  wire::AddressJudge judge_;
  storage::Store& store_;
  storage::OrgScope deployment_;
  Clock& clock_;
  Random& random_;
};

struct GoogleSignIn {
  std::unique_ptr<GoogleOutside> outside;
  std::unique_ptr<Google> google;
};
// What auth.google_client_id asks for. The error is one line that names the key and the fix.
tl::expected<GoogleSignIn, std::string> open_google(const Config& config, BlockingPool& lookup,
                                                    storage::Store& store,
                                                    storage::OrgScope deployment, Clock& clock,
                                                    Random& random);

}  // namespace wab::bridge
