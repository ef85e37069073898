#include "session/node/node.h"

#include <gtest/gtest.h>

namespace wab::node {
namespace {

TEST(Node, ReadsWhatWasBuilt) {
  const Node node = Node("message")
                        .set("id", "3EB0")
                        .set("from", Jid::pn("1555", 2))
                        .set("t", uint64_t{1785000000})
                        .set("to", "77@lid")
                        .add(Node("enc").set("v", 2).bytes(Bytes{1, 2}))
                        .add(Node("meta"))
                        .add(Node("enc").text("hello"));
  EXPECT_EQ(node.attr("id"), "3EB0");
  EXPECT_EQ(node.attr("from"), "1555:2@s.whatsapp.net");
  EXPECT_EQ(node.jid("from"), Jid::pn("1555", 2));
  EXPECT_EQ(node.jid("to"), Jid::lid("77"));
  EXPECT_EQ(node.number("t"), 1785000000u);
  EXPECT_EQ(node.children().size(), 3u);
  EXPECT_EQ(node.all("enc").size(), 2u);
  EXPECT_EQ(to_bytes(node.child("enc")->content_bytes()), (Bytes{1, 2}));
  EXPECT_EQ(node.all("enc")[1]->content_text(), "hello");
}

TEST(Node, AbsentThingsReadAsEmpty) {
  const Node node("iq");
  EXPECT_EQ(node.attr("id"), "");
  EXPECT_FALSE(node.has("id"));
  EXPECT_FALSE(node.jid("from"));
  EXPECT_FALSE(node.number("t"));
  EXPECT_EQ(node.child("x"), nullptr);
  EXPECT_TRUE(node.all("x").empty());
  EXPECT_TRUE(node.children().empty());
  EXPECT_TRUE(node.content_bytes().empty());
}

TEST(Node, NumbersAreDecimalDigitsOnly) {
  for (const char* bad : {"-1", "+1", " 1", "1 ", "0x1", "1.0", "18446744073709551616", "a"}) {
    EXPECT_FALSE(Node("a").set("n", bad).number("n")) << bad;
  }
  EXPECT_EQ(Node("a").set("n", "18446744073709551615").number("n"), UINT64_MAX);
  EXPECT_FALSE(Node("a").set("n", Jid::pn("1")).number("n"));
}

TEST(Node, SettingTwiceReplacesAndEmptyRemoves) {
  Node node("a");
  node.set("k", "1").set("k", "2");
  EXPECT_EQ(node.attrs.size(), 1u);
  EXPECT_EQ(node.attr("k"), "2");
  node.set("k", "");
  EXPECT_TRUE(node.attrs.empty());
  node.set("k", Jid());
  EXPECT_TRUE(node.attrs.empty());
}

TEST(ToXml, ShowsContentAsHexAndEscapesValues) {
  const Node ping = Node("iq").set("id", "1").set("to", Jid::server_jid()).add(Node("ping"));
  EXPECT_EQ(to_xml(ping), "<iq id='1' to='s.whatsapp.net'><ping/></iq>");
  EXPECT_EQ(to_xml(Node("a").bytes(Bytes{0xab, 1})), "<a>ab01</a>");
  EXPECT_EQ(to_xml(Node("a").set("n", "<'&\n>")), "<a n='&lt;&apos;&amp;&#x0a;&gt;'/>");
}

TEST(ToXml, StaysWithinItsLimit) {
  Node wide("list");
  for (int i = 0; i < 1000; ++i) wide.add(Node("item").set("name", "\xc3\xa9\xc3\xa9"));
  for (const size_t limit : {0u, 1u, 2u, 3u, 10u, 23u, 24u, 25u, 26u, 500u}) {
    const std::string xml = to_xml(wide, limit);
    EXPECT_LE(xml.size(), limit);
    EXPECT_TRUE(is_utf8(view(xml))) << xml;
  }
  EXPECT_TRUE(to_xml(Node("a").bytes(Bytes(1u << 20)), 100).ends_with("..."));
}

}  // namespace
}  // namespace wab::node
