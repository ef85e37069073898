#include "session/node/jid.h"

#include <gtest/gtest.h>

namespace wab::node {
namespace {

TEST(Jid, ReadsEveryTextForm) {
  struct Case {
    const char* text;
    Jid expected;
  };
  const Case cases[] = {
      {"15551234567@s.whatsapp.net", {"15551234567", "s.whatsapp.net", 0}},
      {"15551234567:5@s.whatsapp.net", {"15551234567", "s.whatsapp.net", 5}},
      {"15551234567:0@s.whatsapp.net", {"15551234567", "s.whatsapp.net", 0}},
      {"15551234567.0:5@s.whatsapp.net", {"15551234567", "s.whatsapp.net", 5}},
      {"15551234567.2@s.whatsapp.net", {"15551234567", "s.whatsapp.net", 0}},
      {"15551234567@c.us", {"15551234567", "s.whatsapp.net", 0}},
      {"123:12@lid", {"123", "lid", 12}},
      {"123:99@hosted.lid", {"123", "hosted.lid", 99}},
      {"120363000000000000@g.us", {"120363000000000000", "g.us", 0}},
      {"15551234567-1400000000@g.us", {"15551234567-1400000000", "g.us", 0}},
      {"status@broadcast", {"status", "broadcast", 0}},
      {"abc.def@newsletter", {"abc.def", "newsletter", 0}},
      {"someone@future.server", {"someone", "future.server", 0}},
      {"s.whatsapp.net", {"", "s.whatsapp.net", 0}},
      {"g.us", {"", "g.us", 0}},
  };
  for (const Case& c : cases) {
    const auto parsed = Jid::parse(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(*parsed, c.expected) << c.text;
    EXPECT_EQ(Jid::parse(parsed->text()), parsed) << c.text;
  }
}

TEST(Jid, RefusesWhatIsNoAddress) {
  for (const char* text : {"",
                           "@",
                           "a@",
                           "@s.whatsapp.net",
                           "15551234567",
                           "hello",
                           "a@b@c",
                           "a b@lid",
                           "1:@lid",
                           "1:x@lid",
                           "1:-1@lid",
                           "1:65536@lid",
                           "1:2:3@lid",
                           "1.x@lid",
                           ":5@lid",
                           "1.300:1@lid",
                           "1@S.WHATSAPP.NET",
                           "1@lid ",
                           "1\n@lid",
                           "1@li\x7f"
                           "d",
                           "\xc3\xa9@lid",
                           "a/b@lid"}) {
    EXPECT_FALSE(Jid::parse(text)) << text;
  }
  EXPECT_TRUE(Jid::parse(std::string(251, '1') + "@lid"));
  EXPECT_FALSE(Jid::parse(std::string(252, '1') + "@lid"));
}

TEST(Jid, PrintsTheDeviceOnlyWhenThereIsOne) {
  EXPECT_EQ(Jid::pn("1555", 3).text(), "1555:3@s.whatsapp.net");
  EXPECT_EQ(Jid::pn("1555", 3).bare().text(), "1555@s.whatsapp.net");
  EXPECT_EQ(Jid::server_jid().text(), "s.whatsapp.net");
  EXPECT_EQ(Jid().text(), "");
}

TEST(Jid, NamesTheSignalAddressByDomain) {
  EXPECT_EQ(Jid::pn("1555", 3).signal_name(), "1555");
  EXPECT_EQ(Jid::lid("77", 3).signal_name(), "77_1");
  EXPECT_EQ((Jid{"1555", "hosted", 99}).signal_name(), "1555_128");
  EXPECT_EQ((Jid{"77", "hosted.lid", 99}).signal_name(), "77_129");
}

TEST(Jid, DomainsFollowTheOfficialDecoder) {
  EXPECT_EQ(server_of_domain(0), kUserServer);
  EXPECT_EQ(server_of_domain(1), kLidServer);
  EXPECT_EQ(server_of_domain(128), kHostedServer);
  EXPECT_EQ(server_of_domain(129), kHostedLidServer);
  EXPECT_EQ(server_of_domain(130), kHostedServer);
  for (const int bad : {2, 5, 127, 131, 255}) {
    EXPECT_FALSE(server_of_domain(static_cast<uint8_t>(bad))) << bad;
  }
  EXPECT_FALSE(domain_byte("g.us"));
}

}  // namespace
}  // namespace wab::node
