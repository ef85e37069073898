#include "session/ending.h"

#include <gtest/gtest.h>

#include "session/node/codec.h"
#include "session/noise/error.h"
#include "session/wire/stream.h"

namespace wab::session {
namespace {

using node::Node;

Node failure(const char* reason) { return Node("failure").set("reason", reason); }
Node stream_error(const char* code, const char* conflict = nullptr) {
  Node out("stream:error");
  out.set("code", code);
  if (conflict != nullptr) out.add(Node("conflict").set("type", conflict));
  return out;
}

TEST(Ending, EveryFailureOfTheTable) {
  struct Expected {
    const char* reason;
    Action action;
    bool wipe;
    const char* code;
  };
  const Expected table[] = {
      {"400", Action::stop_and_tell, false, "refused"},
      {"401", Action::logged_out, true, "logged_out"},
      {"402", Action::stop_and_tell, false, "banned_for_a_time"},
      {"403", Action::logged_out, false, "account_locked"},
      {"405", Action::stop_and_tell, false, "client_outdated"},
      {"406", Action::logged_out, false, "account_banned"},
      {"409", Action::stop_and_tell, false, "bad_user_agent"},
      {"413", Action::stop_and_tell, false, "refused"},
      {"414", Action::stop_and_tell, false, "refused"},
      {"415", Action::stop_and_tell, false, "not_found"},
      {"418", Action::stop_and_tell, false, "client_unknown"},
      {"419", Action::stop_and_tell, false, "refused"},
      {"500", Action::back_off, false, "whatsapp_unavailable"},
      {"501", Action::stop_and_tell, false, "refused"},
      {"503", Action::back_off, false, "whatsapp_unavailable"},
      {"", Action::stop_and_tell, false, "refused"},
      {"777", Action::stop_and_tell, false, "refused"},
      {"4010", Action::stop_and_tell, false, "refused"},
      {"word", Action::stop_and_tell, false, "refused"},
      {"99999999999999999999", Action::stop_and_tell, false, "refused"},
  };
  for (const auto& row : table) {
    const Ending ending = classify(failure(row.reason));
    EXPECT_EQ(ending.action, row.action) << row.reason;
    EXPECT_EQ(ending.wipe, row.wipe) << row.reason;
    EXPECT_EQ(ending.reason.code, row.code) << row.reason;
    EXPECT_FALSE(ending.reason.next.empty()) << row.reason;
    EXPECT_FALSE(ending.await_close) << row.reason;
  }
}

TEST(Ending, EveryStreamErrorOfTheTable) {
  struct Expected {
    Node stanza;
    Action action;
    bool wipe;
    bool await_close;
    int penalty;
  };
  const Expected table[] = {
      {stream_error("515"), Action::retry_now, false, false, 0},
      {stream_error("516"), Action::logged_out, true, false, 0},
      {stream_error("401", "device_removed"), Action::logged_out, true, false, 0},
      {stream_error("401"), Action::logged_out, true, false, 0},
      {stream_error("401", "something"), Action::logged_out, true, false, 0},
      {stream_error("", "device_removed"), Action::logged_out, true, false, 0},
      {stream_error("", "replaced"), Action::stop_and_tell, false, false, 0},
      {stream_error("401", "replaced"), Action::stop_and_tell, false, false, 0},
      {stream_error("409"), Action::stop_and_tell, false, false, 0},
      {stream_error("499", "something"), Action::stop_and_tell, false, false, 0},
      {stream_error("429"), Action::back_off, false, false, 5},
      {stream_error("503"), Action::back_off, false, false, 0},
      {Node("stream:error").add(Node("xml-not-well-formed")), Action::back_off, false, false, 0},
      {Node("stream:error").add(Node("ack").set("class", "message")), Action::back_off, false, true,
       0},
      {stream_error("999"), Action::back_off, false, true, 0},
      {Node("stream:error"), Action::back_off, false, true, 0},
  };
  for (size_t i = 0; i < std::size(table); ++i) {
    const Ending ending = classify(table[i].stanza);
    EXPECT_EQ(ending.action, table[i].action) << i;
    EXPECT_EQ(ending.wipe, table[i].wipe) << i;
    EXPECT_EQ(ending.await_close, table[i].await_close) << i;
    EXPECT_EQ(ending.penalty_steps, table[i].penalty) << i;
  }
  EXPECT_TRUE(classify(table[12].stanza).bug_alarm);
  EXPECT_TRUE(classify(table[13].stanza).bug_alarm);
}

TEST(Ending, OnlyWhatTheTablesNameWipes) {
  for (int number = 0; number < 1000; ++number) {
    const std::string text = std::to_string(number);
    EXPECT_EQ(classify(failure(text.c_str())).wipe, number == 401) << number;
    EXPECT_EQ(classify(stream_error(text.c_str())).wipe, number == 401 || number == 516) << number;
    EXPECT_EQ(classify(stream_error(text.c_str(), "unheard-of")).wipe, number == 401) << number;
  }
}

TEST(Ending, BanSaysWhyAndHowLong) {
  Node stanza = failure("402");
  stanza.set("code", "104").set("expire", "3600");
  const Ending ending = classify(stanza);
  EXPECT_EQ(ending.resume_after_s, 3600u);
  EXPECT_NE(ending.reason.message.find("same message"), std::string::npos);
  EXPECT_FALSE(classify(failure("402")).resume_after_s);
}

TEST(Ending, StreamEndIsAnOrdinaryReconnect) {
  const Ending ending = classify(Node("xmlstreamend"));
  EXPECT_EQ(ending.action, Action::back_off);
  EXPECT_FALSE(ending.bug_alarm);
  EXPECT_EQ(closed_by_peer(1000).reason.code, "reconnecting");
  EXPECT_EQ(closed_by_peer(1011).action, Action::back_off);
}

TEST(Ending, HandshakeErrorsTellWhatToCheck) {
  using noise::NoiseError;
  const auto of = [](NoiseError error) { return classify(Error(error, "test")); };
  EXPECT_EQ(of(NoiseError::certificate_expired).reason.code, "clock_wrong");
  EXPECT_EQ(of(NoiseError::certificate_not_yet_valid).reason.code, "clock_wrong");
  EXPECT_EQ(of(NoiseError::certificate_leaf_signature).reason.code, "server_not_genuine");
  EXPECT_EQ(of(NoiseError::certificate_key_mismatch).reason.code, "server_not_genuine");
  EXPECT_EQ(of(NoiseError::unsupported).action, Action::stop_and_tell);
  EXPECT_EQ(of(NoiseError::decrypt).reason.code, "handshake_failed");
  EXPECT_EQ(of(NoiseError::transport_decrypt).action, Action::back_off);
}

TEST(Ending, NoErrorOfTheWireNoiseOrCodecWipes) {
  for (int code = 1; code < 40; ++code) {
    for (const Error& error : {Error(static_cast<noise::NoiseError>(code), "test"),
                               Error(static_cast<node::NodeError>(code), "test"),
                               Error(static_cast<wire::WireError>(code), "test")}) {
      const Ending ending = classify(error);
      EXPECT_FALSE(ending.wipe);
      EXPECT_NE(ending.action, Action::logged_out);
      EXPECT_NE(ending.action, Action::retry_now);
    }
  }
  EXPECT_TRUE(classify(Error(node::NodeError::bad_token, "test")).bug_alarm);
  EXPECT_EQ(classify(Error(wire::WireError::proxy, "test")).reason.code, "proxy_failed");
  EXPECT_EQ(classify(Error(wire::WireError::not_allowed, "test")).action, Action::stop_and_tell);
}

TEST(Ending, RefusedUpgrades) {
  for (const int status : {408, 500, 501, 502, 503, 504}) {
    EXPECT_EQ(upgrade_refused(status).action, Action::back_off) << status;
  }
  EXPECT_EQ(upgrade_refused(429).penalty_steps, 5);
  for (const int status : {200, 301, 400, 403, 404, 426}) {
    EXPECT_EQ(upgrade_refused(status).action, Action::stop_and_tell) << status;
  }
}

}  // namespace
}  // namespace wab::session
