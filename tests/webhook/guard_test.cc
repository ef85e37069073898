#include "webhook/guard.h"

#include <gtest/gtest.h>

namespace wab::webhook {
namespace {

boost::asio::ip::address ip(const char* text) { return boost::asio::ip::make_address(text); }

TEST(Guard, AddressTable) {
  const struct {
    const char* address;
    bool allowed;
  } table[] = {
      // Public, and the neighbours of every block.
      {"1.1.1.1", true},
      {"8.8.8.8", true},
      {"9.255.255.255", true},
      {"11.0.0.0", true},
      {"100.63.255.255", true},
      {"100.128.0.0", true},
      {"126.255.255.255", true},
      {"128.0.0.1", true},
      {"169.253.255.255", true},
      {"169.255.0.0", true},
      {"172.15.255.255", true},
      {"172.32.0.0", true},
      {"192.0.1.0", true},
      {"192.167.255.255", true},
      {"192.169.0.0", true},
      {"198.17.255.255", true},
      {"198.20.0.0", true},
      {"223.255.255.255", true},
      {"2606:4700:4700::1111", true},
      {"2a00:1450:4001:800::200e", true},
      {"2001:4860:4860::8888", true},
      {"2001:200::1", true},
      {"2003::1", true},
      // Special purpose, version 4.
      {"0.0.0.0", false},
      {"0.1.2.3", false},
      {"10.0.0.0", false},
      {"10.255.255.255", false},
      {"100.64.0.1", false},
      {"100.127.255.255", false},
      {"127.0.0.1", false},
      {"127.255.255.254", false},
      {"169.254.169.254", false},
      {"172.16.0.1", false},
      {"172.31.255.255", false},
      {"192.0.0.8", false},
      {"192.0.2.1", false},
      {"192.88.99.1", false},
      {"192.168.0.1", false},
      {"198.18.0.1", false},
      {"198.19.255.255", false},
      {"198.51.100.7", false},
      {"203.0.113.5", false},
      {"224.0.0.1", false},
      {"239.255.255.255", false},
      {"240.0.0.1", false},
      {"255.255.255.255", false},
      // Special purpose, version 6.
      {"::", false},
      {"::1", false},
      {"::8.8.8.8", false},           // IPv4-compatible, deprecated
      {"64:ff9b:1::8.8.8.8", false},  // local-use translation
      {"100::1", false},
      {"2001::1", false},     // Teredo
      {"2001:10::1", false},  // ORCHID
      {"2001:20::1", false},
      {"2001:db8::1", false},
      {"2002:808:808::1", false},  // 6to4
      {"3fff::1", false},
      {"5f00::1", false},
      {"fc00::1", false},
      {"fdff:ffff::1", false},
      {"fe80::1", false},
      {"febf::1", false},
      {"fec0::1", false},
      {"ff02::1", false},
      // Embedded version 4: judged by what it embeds.
      {"::ffff:8.8.8.8", true},
      {"::ffff:127.0.0.1", false},
      {"::ffff:10.1.2.3", false},
      {"::ffff:169.254.169.254", false},
      {"::ffff:0.0.0.0", false},
      {"64:ff9b::8.8.8.8", true},
      {"64:ff9b::127.0.0.1", false},
      {"64:ff9b::192.168.1.1", false},
      {"64:ff9b::a9fe:a9fe", false},
  };
  const Guard guard({});
  for (const auto& row : table) {
    EXPECT_EQ(is_public(ip(row.address)), row.allowed) << row.address;
    EXPECT_EQ(guard.allows(ip(row.address)), row.allowed) << row.address;
  }
}

TEST(Guard, AnAddressWithAScopeIsLocal) { EXPECT_FALSE(is_public(ip("2606:4700::1%1"))); }

TEST(Guard, NamedNetworksAreAllowedAndNothingElse) {
  const Guard guard(
      {*Network::parse("10.1.0.0/16"), *Network::parse("::1"), *Network::parse("fd00:aa::/32")});
  for (const char* good : {"10.1.0.0", "10.1.255.255", "::1", "fd00:aa::9", "1.1.1.1"}) {
    EXPECT_TRUE(guard.allows(ip(good))) << good;
  }
  for (const char* bad : {"10.0.255.255", "10.2.0.0", "127.0.0.1", "::2", "fd00:ab::1"}) {
    EXPECT_FALSE(guard.allows(ip(bad))) << bad;
  }
}

// A named network means its addresses in every spelling that a name lookup may answer with.
TEST(Guard, EmbeddedFormsOfAPrivateAddressAreNotAWayIn) {
  const Guard guard({*Network::parse("10.1.0.0/16")});
  EXPECT_FALSE(guard.allows(ip("::ffff:10.2.0.1")));
  EXPECT_FALSE(guard.allows(ip("64:ff9b::10.2.0.1")));
}

TEST(Network, Parses) {
  const struct {
    const char* text;
    int prefix;  // -1: refused
  } table[] = {
      {"10.0.0.0/8", 8}, {"10.0.0.0/0", 0},    {"10.0.0.0/32", 32},
      {"127.0.0.1", 32}, {"fd00::/8", 8},      {"::1", 128},
      {"::/128", 128},   {"10.0.0.0/33", -1},  {"fd00::/129", -1},
      {"10.0.0.0/", -1}, {"10.0.0.0/-1", -1},  {"10.0.0.0/8 ", -1},
      {"10.0.0/8", -1},  {"host/8", -1},       {"", -1},
      {"/8", -1},        {"10.0.0.0/8/8", -1}, {"10.0.0.0/+8", -1},
      {"300.0.0.1", -1}, {"10.0.0.0/0x8", -1},
  };
  for (const auto& row : table) {
    const auto network = Network::parse(row.text);
    ASSERT_EQ(network.has_value(), row.prefix >= 0) << row.text;
    if (network) {
      EXPECT_EQ(network->prefix, static_cast<unsigned>(row.prefix)) << row.text;
    }
  }
}

TEST(Network, FamiliesDoNotMix) {
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->contains(ip("::1")));
  EXPECT_FALSE(Network::parse("::/0")->contains(ip("127.0.0.1")));
  EXPECT_TRUE(Network::parse("::/0")->contains(ip("ff02::1")));
}

}  // namespace
}  // namespace wab::webhook
