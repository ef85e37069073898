// A stored envelope that somebody changed: any bytes are refused without harm, and no change of a
// good envelope opens. The first four bytes say where to change it and how.
#include <cstdlib>

#include "storage/seal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace wab;           // NOLINT
  using namespace wab::storage;  // NOLINT
  const Bytes column_key(32, 0x11);
  const Bytes place = to_bytes("place");
  SealContext context;
  context.column = 1;
  context.key = place;
  const ByteView input(data, size);
  (void)peek(input);
  if (open(column_key, context, input)) abort();  // nobody guesses the commitment
  if (size < 4) return 0;

  const ByteView plaintext = input.subspan(4);
  const auto sealed = seal(column_key, context, EnvelopeHeader{1, 2, 3}, {}, plaintext);
  if (!sealed) abort();
  const auto opened = open(column_key, context, *sealed);
  if (!opened || opened->plaintext != to_bytes(plaintext)) abort();

  Bytes changed = *sealed;
  const size_t at = (size_t{data[0]} << 8 | data[1]) % changed.size();
  switch (data[2] % 3) {
    case 0:
      changed[at] ^= static_cast<uint8_t>(data[3] | 1);
      break;
    case 1:
      changed.resize(at);
      break;
    case 2:
      changed.insert(changed.begin() + static_cast<ptrdiff_t>(at), data[3]);
      break;
  }
  if (open(column_key, context, changed)) abort();
  return 0;
}
