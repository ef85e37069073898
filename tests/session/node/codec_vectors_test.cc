// Known bytes (dossier 1 section 16.6) and inputs that must be refused (section 4.6).
#include <gtest/gtest.h>
#include <zlib.h>

#include "session/node/codec.h"

namespace wab::node {
namespace {

Bytes hex(std::string_view text) { return from_hex(text).value(); }

Bytes zlib(ByteView in) {
  uLongf size = compressBound(in.size());
  Bytes out(size);
  EXPECT_EQ(compress(out.data(), &size, in.data(), in.size()), Z_OK);
  out.resize(size);
  return out;
}

TEST(CodecVectors, StanzasMatchByteForByte) {
  struct Case {
    Node node;
    const char* bytes;
  };
  const Case cases[] = {
      {Node("iq")
           .set("id", "12.34-1")
           .set("xmlns", "w:p")
           .set("type", "get")
           .set("to", Jid::server_jid()),
       "00f8091908ff8412b34a1f1657042911fa0003"},
      {Node("iq")
           .set("id", "12.34-2")
           .set("xmlns", "passive")
           .set("type", "set")
           .set("to", Jid::server_jid())
           .add(Node("active")),
       "00f80a1908ff8412b34a2f16ec18045a11fa0003f801f801ec01"},
      {Node("ack")
           .set("class", "notification")
           .set("id", "3EB0C431")
           .set("to", Jid::pn("15551234567", 5)),
       "00f8071b150908fb043eb0c43111f70005ff8615551234567f"},
      {Node("xmlstreamend"), "00f80102"},
  };
  for (const Case& c : cases) {
    const auto bytes = encode(c.node);
    ASSERT_TRUE(bytes) << bytes.error().describe();
    EXPECT_EQ(to_hex(*bytes), c.bytes);
    const auto node = decode(hex(c.bytes), Limits::for_server());
    ASSERT_TRUE(node) << node.error().describe();
    EXPECT_EQ(*node, c.node);
  }
}

TEST(CodecVectors, ValuesMatchByteForByte) {
  struct Case {
    AttrValue value;
    const char* bytes;
  };
  const Case cases[] = {
      {Jid::lid("123456789012345", 12), "f7010cff88123456789012345f"},
      {Jid::pn("15551234567"), "faff8615551234567f03"},
      {Jid{"120363000000000000", "g.us", 0}, "faff091203630000000000001c"},
      {Jid{"1555", "hosted", 9}, "f78009ff021555"},
      {Jid{"1555", "hosted.lid", 9}, "f78109ff021555"},
      {"ABCDEF1", "fb84abcdef1f"},
      {"12-345.6", "ff0412a345b6"},
      {"1", "55"},
      {"abcdef", "fc06616263646566"},
  };
  for (const Case& c : cases) {
    Node node("iq");
    node.attrs.push_back({"id", c.value});
    const auto bytes = encode(node);
    ASSERT_TRUE(bytes) << bytes.error().describe();
    EXPECT_EQ(to_hex(*bytes), std::string("00f8031908") + c.bytes);
    const auto back = decode(*bytes);
    ASSERT_TRUE(back) << back.error().describe();
    EXPECT_EQ(*back, node);
  }
}

TEST(CodecVectors, LengthsChooseTheShortestForm) {
  struct Case {
    size_t size;
    const char* header;
  };
  for (const Case& c : {Case{0, "fc00"}, Case{255, "fcff"}, Case{256, "fd000100"},
                        Case{0xfffff, "fd0fffff"}, Case{0x100000, "fe00100000"}}) {
    const auto bytes = encode(Node("iq").bytes(Bytes(c.size, 7)));
    ASSERT_TRUE(bytes);
    const std::string head = std::string("00f80219") + c.header;
    EXPECT_EQ(to_hex(ByteView(*bytes).first(head.size() / 2)), head);
    EXPECT_EQ(bytes->size(), head.size() / 2 + c.size);
    EXPECT_EQ(decode(*bytes)->content_bytes().size(), c.size);
  }
  Node wide("iq");
  for (int i = 0; i < 256; ++i) wide.add(Node("item"));
  const auto bytes = encode(wide);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(to_hex(ByteView(*bytes).first(7)), "00f80219f90100");
  EXPECT_EQ(*decode(*bytes), wide);
}

TEST(CodecVectors, PackingEndsAt127Characters) {
  const auto packed = encode(Node(std::string(127, '1')));
  ASSERT_TRUE(packed);
  EXPECT_EQ(to_hex(ByteView(*packed).first(5)), "00f801ffc0");
  const auto raw = encode(Node(std::string(128, '1')));
  ASSERT_TRUE(raw);
  EXPECT_EQ(to_hex(ByteView(*raw).first(5)), "00f801fc80");
}

TEST(CodecVectors, ForeignAddressesAreReadButNotWritten) {
  const auto messenger = decode(hex("00f8031908f6fc01610007fc046d736772"));
  ASSERT_TRUE(messenger) << messenger.error().describe();
  EXPECT_EQ(messenger->attr("id"), "a:7@msgr");
  const auto interop = decode(hex("00f8031908f5fc016100070002fc07696e7465726f70"));
  ASSERT_TRUE(interop) << interop.error().describe();
  EXPECT_EQ(interop->attr("id"), "2-a:7@interop");
  EXPECT_TRUE(encode(*interop).error().is(NodeError::unencodable));
  EXPECT_TRUE(encode(*messenger).error().is(NodeError::unencodable));
}

TEST(CodecVectors, OtherCodingsOfTheSameAreAccepted) {
  // Token as raw text, LIST_16 and BINARY_32 for short things, empty packed text, null content.
  EXPECT_EQ(decode(hex("00f90001fc026971"))->tag, "iq");
  EXPECT_EQ(decode(hex("00f801fe000000026971"))->tag, "iq");
  EXPECT_EQ(decode(hex("00f8031908ff00"))->attr("id"), "");
  EXPECT_EQ(*decode(hex("00f8021900")), Node("iq"));
  EXPECT_EQ(*decode(hex("00f80219f800")), Node("iq"));
  EXPECT_EQ(decode(hex("00f80219faff021555"
                       "03"))
                ->content_text(),
            "1555@s.whatsapp.net");
  EXPECT_EQ(decode(hex("00f8031908f78200ff021555"))->attr("id"), "1555@hosted");
}

TEST(CodecVectors, CompressedFramesAreInflated) {
  Bytes frame = concat({hex("02"), zlib(hex("f80102"))});
  EXPECT_EQ(decode(frame, Limits::for_server())->tag, "xmlstreamend");

  Bytes trailing = frame;
  trailing.push_back(0);
  EXPECT_TRUE(decode(trailing).error().is(NodeError::bad_zlib));
  for (size_t cut = 1; cut < frame.size(); ++cut) {
    EXPECT_TRUE(decode(ByteView(frame).first(cut)).error().is(NodeError::bad_zlib)) << cut;
  }
  frame[4] ^= 0xff;
  EXPECT_FALSE(decode(frame));
}

TEST(CodecVectors, InflatingStopsAtTheLimit) {
  Limits limits;
  limits.inflated = 100000;
  const auto frame_of = [](size_t size) {
    const auto plain = encode(Node("iq").bytes(Bytes(size)));
    return concat({hex("02"), zlib(ByteView(*plain).subspan(1))});
  };
  EXPECT_TRUE(decode(frame_of(100000 - 7), limits));
  EXPECT_TRUE(decode(frame_of(100000 - 6), limits).error().is(NodeError::too_large));
  EXPECT_TRUE(decode(frame_of(15u << 20), limits).error().is(NodeError::too_large));
}

struct Bad {
  const char* what;
  const char* bytes;
  NodeError error;
};

TEST(CodecMalformed, EveryRowIsRefused) {
  const Bad rows[] = {
      {"no bytes", "", NodeError::empty_frame},
      {"flags only", "00", NodeError::empty_frame},
      {"empty zlib", "02", NodeError::bad_zlib},
      {"not zlib", "02f80102", NodeError::bad_zlib},
      {"leftover", "00f8010200", NodeError::trailing_bytes},
      {"no list size", "00f8", NodeError::truncated},
      {"half list size", "00f900", NodeError::truncated},
      {"node of size 0", "00f80019", NodeError::bad_list},
      {"node is an empty list", "0000", NodeError::bad_list},
      {"node is a token", "0019", NodeError::bad_list},
      {"node is bytes", "00fc0119", NodeError::bad_list},
      {"no tag", "00f801", NodeError::truncated},
      {"null tag", "00f80100", NodeError::bad_string},
      {"empty tag", "00f801fc00", NodeError::bad_string},
      {"tag is a list", "00f801f80119", NodeError::bad_string},
      {"tag is an address", "00f801fa0003", NodeError::bad_string},
      {"null attribute name", "00f803190019", NodeError::bad_string},
      {"attribute name is an address", "00f80319fa000319", NodeError::bad_string},
      {"attribute value is a list", "00f8031908f80119", NodeError::bad_string},
      {"more attributes than bytes", "00f9ffff19", NodeError::truncated},
      {"more children than bytes", "00f80219f9ffff", NodeError::truncated},
      {"text beyond the end", "00f801fc0561", NodeError::truncated},
      {"20-bit length beyond the end", "00f80219fd0fffff00", NodeError::truncated},
      {"32-bit length beyond the end", "00f80219feffffffff00", NodeError::truncated},
      {"unassigned 240", "00f801f0", NodeError::bad_token},
      {"unassigned 244", "00f801f4", NodeError::bad_token},
      {"dictionary without index", "00f801ec", NodeError::truncated},
      {"nibble 12", "00f801ff011c", NodeError::bad_packed},
      {"nibble 13", "00f801ff01d1", NodeError::bad_packed},
      {"nibble 14", "00f801ff011e", NodeError::bad_packed},
      {"stray nibble 15", "00f801ff011f", NodeError::bad_packed},
      {"odd without padding", "00f801ff8111", NodeError::bad_packed},
      {"odd and empty nibbles", "00f801ff80", NodeError::bad_packed},
      {"odd and empty hex", "00f801fb80", NodeError::bad_packed},
      {"packed beyond the end", "00f801ff0211", NodeError::truncated},
      {"not UTF-8", "00f801fc02c328", NodeError::bad_string},
      {"address without server", "00f8031908fa1900", NodeError::bad_string},
      {"user with a device inside", "00f8031908fafc03313a3203", NodeError::bad_jid},
      {"user with a second at",
       "00f8031908fafc03314032"
       "03",
       NodeError::bad_jid},
      {"device form without user", "00f8031908f7000500", NodeError::bad_string},
      {"domain 2", "00f8031908f70205ff021555", NodeError::bad_jid},
      {"domain 131", "00f8031908f78305ff021555", NodeError::bad_jid},
      {"messenger form elsewhere", "00f8031908f6fc0161000703", NodeError::bad_jid},
      {"interop form elsewhere", "00f8031908f5fc01610007000203", NodeError::bad_jid},
  };
  for (const Bad& row : rows) {
    for (const Limits& limits : {Limits{}, Limits::for_server()}) {
      const auto node = decode(hex(row.bytes), limits);
      ASSERT_FALSE(node) << row.what;
      EXPECT_TRUE(node.error().is(row.error)) << row.what << ": " << node.error().describe();
    }
  }
}

TEST(CodecMalformed, StrictnessIsTheServersAlone) {
  const Bad rows[] = {
      {"unknown flag", "04f80102", NodeError::bad_flags},
      {"duplicate attribute",
       "00f805190855"
       "0845",
       NodeError::duplicate_attribute},
      {"unknown server", "00f8031908fafc0161fc0178", NodeError::bad_jid},
      {"domain 130", "00f8031908f78205ff021555", NodeError::bad_jid},
  };
  for (const Bad& row : rows) {
    EXPECT_TRUE(decode(hex(row.bytes))) << row.what;
    const auto node = decode(hex(row.bytes), Limits::for_server());
    ASSERT_FALSE(node) << row.what;
    EXPECT_TRUE(node.error().is(row.error)) << row.what << ": " << node.error().describe();
  }
  EXPECT_EQ(decode(hex(rows[1].bytes))->attr("id"), "1");
  EXPECT_EQ(decode(hex(rows[1].bytes))->attrs.size(), 1u);
  EXPECT_EQ(decode(hex(rows[2].bytes))->attr("id"), "a@x");
}

TEST(CodecMalformed, DepthNodesAndItemsAreCounted) {
  const auto chain = [](size_t depth) {
    Bytes out = {0};
    for (size_t i = 1; i < depth; ++i) append(out, hex("f80219f801"));
    append(out, hex("f80119"));
    return out;
  };
  EXPECT_TRUE(decode(chain(128)));
  EXPECT_TRUE(decode(chain(129)).error().is(NodeError::too_deep));
  EXPECT_TRUE(decode(chain(1000000)).error().is(NodeError::too_deep));

  Node wide("iq");
  for (int i = 0; i < 99; ++i) wide.add(Node("item"));
  const Bytes frame = encode(wide).value();
  Limits limits;
  limits.nodes = 100;
  limits.list_items = 200;  // 2 of the root, 99 children of 1
  EXPECT_TRUE(decode(frame, limits));
  limits.nodes = 99;
  EXPECT_TRUE(decode(frame, limits).error().is(NodeError::too_many));
  limits.nodes = 100;
  limits.list_items = 199;
  EXPECT_TRUE(decode(frame, limits).error().is(NodeError::too_many));
}

TEST(CodecMalformed, WhatCannotBeWrittenIsRefused) {
  EXPECT_TRUE(encode(Node()).error().is(NodeError::unencodable));
  EXPECT_TRUE(encode(Node("a").add(Node())).error().is(NodeError::unencodable));
  EXPECT_TRUE(encode(Node("a").set("", "x")).error().is(NodeError::unencodable));
  for (const Jid& jid : {Jid::pn("1", 256), Jid{"1", "g.us", 1}, Jid{"1", "", 0}, Jid{"", "lid", 1},
                         Jid{"1", "interop", 0}, Jid{"1@2", "lid", 0}}) {
    EXPECT_TRUE(encode(Node("a").set("k", jid)).error().is(NodeError::unencodable)) << jid.text();
  }
  Node wide("a");
  wide.content.emplace<Node::Children>(65536, Node("b"));
  EXPECT_TRUE(encode(wide).error().is(NodeError::unencodable));
  Node deep("a");
  for (int i = 0; i < 128; ++i) {
    Node outer("a");
    outer.add(std::move(deep));
    deep = std::move(outer);
  }
  EXPECT_TRUE(encode(deep).error().is(NodeError::too_deep));
  EXPECT_TRUE(encode(Node("a").bytes(Bytes(1u << 24))).error().is(NodeError::too_large));
}

TEST(CodecMalformed, ManyAttributesDecodeQuickly) {
  // 32767 equal names, then as many distinct ones: neither may cost a scan per attribute.
  Bytes equal = hex("00f9ffff19");
  for (int i = 0; i < 32767; ++i) append(equal, hex("0819"));
  EXPECT_EQ(decode(equal)->attrs.size(), 1u);
  EXPECT_TRUE(decode(equal, Limits::for_server()).error().is(NodeError::duplicate_attribute));
  Node distinct("iq");
  for (int i = 0; i < 32767; ++i) distinct.attrs.push_back({"k" + std::to_string(i), "v"});
  EXPECT_EQ(*decode(encode(distinct).value()), distinct);
}

}  // namespace
}  // namespace wab::node
