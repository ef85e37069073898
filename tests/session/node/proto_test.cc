// What our reading of the content schema promises beyond field numbers.
#include <gtest/gtest.h>

#include "session/proto/adv.pb.h"
#include "session/proto/message.pb.h"
#include "storage/base/bytes.h"

namespace wab {
namespace {

TEST(ProtoMessage, UnknownFieldsSurviveARoundTrip) {
  // conversation "hi" and a field 900 that no schema has.
  const std::string wire =
      to_string(*from_hex("0a026869"
                          "a238026162"));
  pb::Message message;
  ASSERT_TRUE(message.ParseFromString(wire));
  EXPECT_EQ(message.conversation(), "hi");
  EXPECT_EQ(message.SerializeAsString(), wire);
}

TEST(ProtoMessage, AnUnknownProtocolTypeIsNotARevoke) {
  const std::string wire = to_string(*from_hex("10c801"));  // type 200
  pb::ProtocolMessage message;
  ASSERT_TRUE(message.ParseFromString(wire));
  EXPECT_FALSE(message.has_type());
  EXPECT_NE(message.type(), pb::ProtocolMessage::REVOKE);
  EXPECT_EQ(message.SerializeAsString(), wire);
  message.set_type(pb::ProtocolMessage::REVOKE);
  EXPECT_NE(message.SerializeAsString().find(to_string(*from_hex("1000"))), std::string::npos);
}

TEST(ProtoMessage, KeyIndexesArePackedAndReadInBothForms) {
  pb::ADVKeyIndexList list;
  list.add_valid_indexes(1);
  list.add_valid_indexes(2);
  EXPECT_EQ(to_hex(view(list.SerializeAsString())), "22020102");
  ASSERT_TRUE(list.ParseFromString(to_string(*from_hex("20012002"))));
  EXPECT_EQ(list.valid_indexes_size(), 2);
}

}  // namespace
}  // namespace wab
