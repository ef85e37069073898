// What is to go wrong: rules with selectors, asked by the World for every stanza and frame.
//
// Deterministic: a rule with a probability draws from its own generator, seeded by the rule. Rules
// stand until their count is used up or clear(). On the sandbox's thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/sandbox/world.h"

namespace wab::sandbox {

struct FaultRule {
  // Selectors. Empty ones match everything, except that a rule without `device` leaves virtual
  // phones alone (device 0 must be asked for).
  std::string account;  // digits
  std::optional<uint16_t> device;
  std::optional<Direction> direction;
  std::string tag;     // of the stanza
  std::string type;    // its type attribute
  std::string child;   // a child that it has
  uint64_t after = 0;  // lets so many pass first
  uint64_t count = 0;  // then fires so often; 0: always
  double probability = 1.0;
  uint64_t seed = 1;

  // Effects on a stanza.
  bool drop = false;
  bool reorder = false;  // comes after the next one
  bool cut = false;      // the connection ends without a word
  std::chrono::milliseconds delay{0};
  int copies = 1;
  std::optional<node::Node> end_with;  // stream:error and the end
  // Effects on other things; such a rule is never asked about stanzas.
  std::optional<uint64_t> cut_after_bytes;  // counted from the rule's birth or its last cut
  std::optional<node::Node> failure;        // at login
  HandshakeFault handshake = HandshakeFault::none;
  bool black_hole = false;
  bool shuffle_frames = false;
};

class Faults final : public FaultPolicy {
 public:
  // Returns the rule's number, from 1.
  uint64_t add(FaultRule rule);
  void clear() { rules_.clear(); }
  struct Listed {
    uint64_t id = 0;
    uint64_t fired = 0;
    const FaultRule* rule = nullptr;
  };
  std::vector<Listed> list() const;

  Fate on_stanza(Direction direction, const DeviceJid& device, const node::Node& stanza) override;
  std::optional<size_t> on_bytes(Direction direction, const DeviceJid& device,
                                 size_t size) override;
  HandshakeFault on_handshake() override;
  std::optional<node::Node> on_login(const DeviceJid& device) override;
  bool black_hole() override;
  bool shuffle_frames() override;

 private:
  struct Standing {
    uint64_t id = 0;
    FaultRule rule;
    uint64_t state = 0;   // of the generator
    uint64_t passed = 0;  // matches so far
    uint64_t fired = 0;
    uint64_t bytes = 0;
  };
  static bool selects(const FaultRule& rule, const DeviceJid& device);
  static bool fires(Standing& standing);

  std::vector<Standing> rules_;
  uint64_t next_id_ = 1;
};

// <stream:error code="N"><conflict type="..."/>; either part may be left out (0, "").
node::Node stream_error_node(int code, const std::string& conflict = {});
// <failure reason="N" location="sandbox"/>.
node::Node failure_node(int reason);
std::optional<HandshakeFault> handshake_fault(std::string_view name);

}  // namespace wab::sandbox
