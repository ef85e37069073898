#include "tests/sandbox/admin.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/sandbox/admin_json.h"
#include "tests/sandbox/fixture.h"

namespace wab::sandbox {
namespace {

boost::asio::awaitable<void> run_one(Admin& admin, const wire::HttpRequest& request,
                                     wire::HttpResponse& into) {
  into = co_await admin.handle(request);
}

class AdminTest : public ::testing::Test {
 protected:
  struct Reply {
    int status = 0;
    Json body;
  };

  AdminTest() : world(clock, random), phones(world) {
    world.set_faults(&faults);
    world.on_stanza([this](const StanzaEvent& event) { log.add(event); });
  }
  Reply call(const std::string& method, const std::string& target, const std::string& body = {}) {
    wire::HttpRequest request;
    request.method = method;
    request.target = target;
    request.body = to_bytes(view(body));
    wire::HttpResponse response;
    boost::asio::io_context context(1);
    boost::asio::co_spawn(context, run_one(admin, request, response), boost::asio::detached);
    context.run();
    EXPECT_EQ(response.headers.get("content-type"), "application/json");
    return {response.status, parse_json(response.body).value_or(Json())};
  }
  void make_two() {
    call("POST", "/admin/accounts", R"({"pn":"15550100001","push_name":"Ana"})");
    call("POST", "/admin/accounts", R"({"pn":"15550100002","push_name":"Ben"})");
  }

  ManualClock clock;
  SeededRandom random;
  World world;
  Phones phones;
  Faults faults;
  StanzaLog log;
  Admin admin{world, phones, faults, log, Admin::Trust{Key32{1, 2, 3}, "PEM"}};
};

TEST_F(AdminTest, TrustNamesTheKeys) {
  const Reply reply = call("GET", "/admin/trust");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body["noise_root_key"], "010203" + std::string(58, '0'));
  EXPECT_EQ(reply.body["tls_ca_pem"], "PEM");
}

TEST_F(AdminTest, BadRequestsAreToldWhatIsWrong) {
  make_two();
  struct Row {
    const char *method, *target, *body;
    int status;
  };
  const Row rows[] = {
      {"GET", "/admin/nothing", "", 404},
      {"PUT", "/admin/trust", "", 405},
      {"POST", "/admin/mock-phone/scan-qr", "2@x,y", 404},
      {"POST", "/admin/mock-phone/enter-code", "{", 400},
      {"POST", "/admin/mock-phone/enter-code", R"({"phone":"15550100001","code":"ABC"})", 400},
      {"POST", "/admin/mock-phone/enter-code", R"({"phone":"15550100001","code":"ABCD1234"})", 404},
      {"POST", "/admin/mock-phone/enter-code", R"({"phone":"15550199999","code":"ABCD1234"})", 404},
      {"POST", "/admin/accounts", "[]", 400},
      {"POST", "/admin/accounts", R"({"pn":"12x"})", 400},
      {"POST", "/admin/accounts/1/messages", R"({"to":"15550100002","text":"x"})", 404},
      {"POST", "/admin/accounts/15550100001/messages", R"({"to":"?","text":"x"})", 400},
      {"POST", "/admin/accounts/15550100001/messages", R"({"to":"15550100002"})", 400},
      {"POST", "/admin/accounts/15550100001/messages", R"({"to":"15550100002","texts":[1]})", 400},
      {"POST", "/admin/accounts/15550100001/messages", R"({"to":"15550100002","message":"?"})",
       400},
      {"POST", "/admin/accounts/15550100001/receipts", R"({"id":"3EB0"})", 404},
      {"GET", "/admin/accounts/15550100001/messages/3EB0", "", 404},
      {"GET", "/admin/accounts/1/inbox", "", 404},
      {"DELETE", "/admin/accounts/15550100001/devices/7", "", 404},
      {"DELETE", "/admin/accounts/15550100001/devices/0", "", 404},
      {"POST", "/admin/groups", R"({"subject":"x","creator":"15550199999","participants":[]})",
       404},
      {"POST", "/admin/groups", R"({"subject":"x","creator":"15550100001"})", 400},
      {"POST", "/admin/groups", R"({"subject":"","creator":"15550100001","participants":[]})", 400},
      {"POST", "/admin/faults", R"({"dorp":true})", 400},
      {"POST", "/admin/faults", R"({"account":"1"})", 400},
      {"POST", "/admin/faults", R"([{"drop":true},{"handshake":"x"}])", 400},
      {"POST", "/admin/faults", R"({"drop":true,"direction":"up"})", 400},
  };
  for (const Row& row : rows) {
    const Reply reply = call(row.method, row.target, row.body);
    EXPECT_EQ(reply.status, row.status) << row.method << " " << row.target << " " << row.body;
    EXPECT_TRUE(reply.body.is_object() && reply.body["error"].is_string()) << row.target;
  }
  EXPECT_TRUE(faults.list().empty()) << "a list with a bad rule must add nothing";
}

TEST_F(AdminTest, AccountsAreMadeOnceAndListed) {
  const Reply one = call("POST", "/admin/accounts", R"({"push_name":"Zoe"})");
  const Reply same = call("POST", "/admin/accounts", R"({"push_name":"Zoe"})");
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(one.body, same.body);
  EXPECT_EQ(one.body["push_name"], "Zoe");
  EXPECT_FALSE(one.body["lid"].get<std::string>().empty());
  const Reply list = call("GET", "/admin/accounts");
  ASSERT_EQ(list.body["accounts"].size(), 1u);
  EXPECT_EQ(list.body["accounts"][0]["devices"][0]["device"], 0);
}

TEST_F(AdminTest, MessagesTravelToTheInbox) {
  make_two();
  const Reply sent =
      call("POST", "/admin/accounts/15550100001/messages", R"({"to":"+15550100002","text":"Hi"})");
  ASSERT_EQ(sent.status, 200);
  const std::string id = sent.body["id"];
  const Reply inbox = call("GET", "/admin/accounts/15550100002/inbox");
  ASSERT_EQ(inbox.body["messages"].size(), 1u);
  const Json& got = inbox.body["messages"][0];
  EXPECT_EQ(got["id"], id);
  EXPECT_EQ(got["text"], "Hi");
  EXPECT_EQ(got["kind"], "text");
  EXPECT_EQ(got["chat"], "15550100001@s.whatsapp.net");
  EXPECT_EQ(got["sender"], "15550100001@s.whatsapp.net");
  EXPECT_TRUE(got["timestamp"].is_number_integer());
  EXPECT_EQ(call("GET", "/admin/accounts/15550100001/messages/" + id).body["state"],
            "acknowledged");

  const Reply receipts = call("GET", "/admin/accounts/15550100001/inbox");
  ASSERT_EQ(receipts.body["receipts"].size(), 1u);
  EXPECT_EQ(receipts.body["receipts"][0]["id"], id);
  EXPECT_EQ(receipts.body["receipts"][0]["type"], "delivery");
  EXPECT_EQ(receipts.body["receipts"][0]["from"], "15550100002@s.whatsapp.net");

  call("POST", "/admin/accounts/15550100002/receipts", R"({"id":")" + id + R"("})");
  const Reply read = call("GET", "/admin/accounts/15550100001/inbox?since=" +
                                     std::to_string(receipts.body["next"].get<int>()));
  ASSERT_EQ(read.body["receipts"].size(), 1u);
  EXPECT_EQ(read.body["receipts"][0]["type"], "read");

  const Reply reaction =
      call("POST", "/admin/accounts/15550100002/messages",
           R"({"to":"15550100001","reaction":{"id":")" + id + R"(","emoji":"x"}})");
  EXPECT_EQ(reaction.status, 200);
  const Reply back = call("GET", "/admin/accounts/15550100001/inbox?wait=1");
  ASSERT_EQ(back.body["messages"].size(), 1u);
  EXPECT_EQ(back.body["messages"][0]["kind"], "reaction");
  EXPECT_EQ(back.body["messages"][0]["target"], id);
  EXPECT_TRUE(world.violations().empty());
}

TEST_F(AdminTest, ManyTextsGoOutInOrder) {
  make_two();
  Json texts = Json::array();
  for (int i = 0; i < 500; ++i) texts.push_back("m" + std::to_string(i));
  const Json body = {{"to", "15550100002"}, {"texts", texts}};
  const Reply sent = call("POST", "/admin/accounts/15550100001/messages", body.dump());
  ASSERT_EQ(sent.body["ids"].size(), 500u);
  const Reply inbox = call("GET", "/admin/accounts/15550100002/inbox");
  ASSERT_EQ(inbox.body["messages"].size(), 500u);
  for (size_t i = 0; i < 500; ++i) {
    EXPECT_EQ(inbox.body["messages"][i]["id"], sent.body["ids"][i]);
    EXPECT_EQ(inbox.body["messages"][i]["text"], texts[i]);
  }
  EXPECT_TRUE(world.violations().empty());
}

TEST_F(AdminTest, GroupsAreMadeByTheirCreatorsPhone) {
  make_two();
  const Reply made =
      call("POST", "/admin/groups",
           R"({"subject":"Team","creator":"15550100001","participants":["15550100002"]})");
  ASSERT_EQ(made.status, 200);
  const std::string group = made.body["id"];
  EXPECT_TRUE(group.ends_with("@g.us"));
  const Json body = {{"to", group}, {"text", "all"}};
  call("POST", "/admin/accounts/15550100002/messages", body.dump());
  const Reply inbox = call("GET", "/admin/accounts/15550100001/inbox");
  ASSERT_EQ(inbox.body["messages"].size(), 1u);
  EXPECT_EQ(inbox.body["messages"][0]["chat"], group);
  EXPECT_TRUE(world.violations().empty());
}

TEST_F(AdminTest, FaultsStandUntilTheyAreCleared) {
  make_two();
  const Reply added = call("POST", "/admin/faults",
                           R"({"rules":[{"drop":true,"account":"15550100002","device":0,
                               "direction":"out","tag":"message"},
                              {"clock_offset_s":3600}]})");
  ASSERT_EQ(added.status, 200);
  EXPECT_EQ(added.body["ids"].size(), 1u);
  EXPECT_EQ(world.now_ms(), clock.now_ms() + 3'600'000);
  call("POST", "/admin/accounts/15550100001/messages", R"({"to":"15550100002","text":"lost"})");
  EXPECT_EQ(call("GET", "/admin/accounts/15550100002/inbox").body["messages"].size(), 0u);
  EXPECT_EQ(call("GET", "/admin/faults").body["rules"][0]["fired"], 1);
  EXPECT_EQ(call("DELETE", "/admin/faults").status, 200);
  EXPECT_EQ(world.now_ms(), clock.now_ms());
  call("POST", "/admin/accounts/15550100001/messages", R"({"to":"15550100002","text":"found"})");
  EXPECT_EQ(call("GET", "/admin/accounts/15550100002/inbox").body["messages"].size(), 1u);
}

TEST_F(AdminTest, RedeliveryAnswersHowMuch) {
  make_two();
  call("POST", "/admin/accounts/15550100001/messages", R"({"to":"15550100002","text":"once"})");
  const Reply again =
      call("POST", "/admin/faults", R"({"account":"15550100002","device":0,"redeliver":1})");
  EXPECT_EQ(again.body["redelivered"], Json::array({1}));
  EXPECT_EQ(call("GET", "/admin/accounts/15550100002/inbox").body["messages"].size(), 1u);
}

TEST_F(AdminTest, StanzasAreShownWithTheirVerdicts) {
  make_two();
  node::Node bad("iq");
  bad.set("id", "x1")
      .set("to", node::Jid::server_jid())
      .set("type", "get")
      .set("xmlns", "nonsense");
  world.submit({"15550100001", 0}, bad);
  const Reply all = call("GET", "/admin/stanzas?account=15550100001");
  EXPECT_GE(all.body["stanzas"].size(), 3u);
  const Reply bad_ones = call("GET", "/admin/stanzas?account=15550100001&violations=1");
  ASSERT_EQ(bad_ones.body["stanzas"].size(), 1u);
  EXPECT_EQ(bad_ones.body["stanzas"][0]["violations"][0]["rule"], "S4");
  EXPECT_EQ(bad_ones.body["violations"].size(), 1u);
  const int next = bad_ones.body["next"];
  EXPECT_EQ(call("GET", "/admin/stanzas?since=" + std::to_string(next)).body["stanzas"].size(), 0u);
  EXPECT_EQ(call("GET", "/admin/stanzas?account=15550100002&violations=1").body["stanzas"].size(),
            0u);
}

}  // namespace
}  // namespace wab::sandbox
