// Message content from a peer: parsing never does harm, and what was parsed survives being written,
// unknown fields included.
#include <cstdlib>

#include "session/proto/message.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  wab::pb::Message message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  const std::string once = message.SerializeAsString();
  wab::pb::Message again;
  if (!again.ParseFromString(once)) abort();
  if (again.SerializeAsString() != once) abort();
  return 0;
}
