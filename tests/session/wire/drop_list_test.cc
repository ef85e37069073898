// The drop list against the real kernel, from several addresses of the loopback network.
#include "session/wire/drop_list.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "session/wire/tcp_stream.h"
#include "tests/support/caller.h"

namespace wab::wire {
namespace {

using boost::asio::ip::make_address;
using test::Caller;

struct Listening {
  explicit Listening(const char* at) {
    Endpoint endpoint;
    endpoint.address = make_address(at);
    acceptor = *Acceptor::listen(loop, endpoint);
    to = acceptor->local();
  }
  boost::asio::io_context loop;
  std::unique_ptr<Acceptor> acceptor;
  Endpoint to;
};

TEST(DropList, IsDeafToTheOnesNamedAndToNobodyElse) {
  Listening server("127.0.0.1");
  const std::vector<Dropped> list = {
      {make_address("2001:db8::")}, {make_address("127.5.0.1")}, {make_address("127.5.0.2")}};
  ASSERT_TRUE(server.acceptor->drop_from(list));
  const Caller first("127.5.0.1", server.to), second("127.5.0.2", server.to);
  const Caller other("127.5.0.3", server.to);
  EXPECT_TRUE(other.connects());
  EXPECT_FALSE(first.connects(0));
  EXPECT_FALSE(second.connects(0));
  // The list is lifted in part: what had no answer gets one when it asks again.
  ASSERT_TRUE(server.acceptor->drop_from(std::vector<Dropped>{{make_address("127.5.0.1")}}));
  EXPECT_TRUE(second.connects());
  EXPECT_FALSE(first.connects(0));
  ASSERT_TRUE(server.acceptor->drop_from({}));
  EXPECT_TRUE(first.connects());
  EXPECT_TRUE(server.acceptor->drop_from({})) << "nothing to lift is no error";
}

TEST(DropList, KnowsIpv6NetworksByTheirFirstHalf) {
  Listening server("::1");
  ASSERT_TRUE(server.acceptor->drop_from(std::vector<Dropped>{{make_address("2001:db8::")}}));
  const Caller fine("::1", server.to);
  EXPECT_TRUE(fine.connects());
  ASSERT_TRUE(server.acceptor->drop_from(std::vector<Dropped>{
      {make_address("127.0.0.1")}, {make_address("2001:db8::")}, {make_address("::")}}));
  const Caller dropped("::1", server.to);
  EXPECT_FALSE(dropped.connects(500));
  ASSERT_TRUE(server.acceptor->drop_from({}));
  EXPECT_TRUE(dropped.connects());
}

TEST(DropList, TheLongestListIsAProgramTheKernelTakes) {
  Listening server("127.0.0.1");
  std::vector<Dropped> list;
  for (uint32_t i = 0; i < kMostDropped; ++i) {
    if (i % 2 == 0) {
      list.push_back({boost::asio::ip::make_address_v4(0x0a000000 + i)});
    } else {
      list.push_back({make_address("2001:db8:" + std::to_string(i) + "::")});
    }
  }
  list.back() = {make_address("127.5.0.9")};
  ASSERT_TRUE(server.acceptor->drop_from(list));
  const Caller last("127.5.0.9", server.to), other("127.5.0.8", server.to);
  EXPECT_TRUE(other.connects());
  EXPECT_FALSE(last.connects(0));
  const size_t most = drop_program(list).size();
  list.push_back({make_address("127.5.0.8")});
  EXPECT_EQ(drop_program(list).size(), most) << "what is too many is left out";
}

}  // namespace
}  // namespace wab::wire
