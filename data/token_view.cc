#include "decant/data/token_view.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "decant/base/bytes.h"
#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/base/random.h"

namespace decant {
namespace {

constexpr int kTokenViewVersion = 1;
constexpr size_t kMaxMaskedTokens = 1 << 16;  // each position has a block of the sample's stream

void CheckRange(std::string_view key, double value, double high) {
  if (!(value >= 0 && value <= high)) {
    Fail(ErrorCode::kInvalidArgument, "views.{} is {}, but must be 0 to {}", key, value, high);
  }
}

void CheckToken(std::string_view key, uint32_t token, uint32_t vocabulary) {
  if (token >= vocabulary) {
    Fail(ErrorCode::kInvalidArgument, "views.{} has the token {}, but the vocabulary has {}", key, token, vocabulary);
  }
}

void CheckLength(size_t num_tokens) {
  if (num_tokens > kMaxMaskedTokens) {
    Fail(ErrorCode::kInvalidArgument, "a sample of {} tokens, but views.mask takes at most {}; use shorter windows",
         num_tokens, kMaxMaskedTokens);
  }
}

std::vector<uint32_t> Ascending(std::vector<uint32_t> tokens) {
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

std::string Bytes(const std::vector<uint32_t>& words) {
  ByteWriter writer;
  for (const uint32_t word : words) writer.Put(word);
  return writer.Take();
}

// 0 for what is no such number.
uint32_t Word(const nlohmann::json& number) {
  const bool fits = number.is_number_unsigned() && number.get<uint64_t>() <= UINT32_MAX;
  return fits ? number.get<uint32_t>() : 0;
}

// What is drawn of one position.
struct PositionDraw {
  double choice = 0;  // predicted when below `mask`
  double kind = 0;    // what happens to it then
  uint32_t word = 0;  // of a token that is any
};

PositionDraw DrawPosition(uint64_t seed, uint32_t epoch, uint64_t sample_id, size_t position) {
  const auto block = PhiloxBlock(seed, RandomPurpose::kTokenView, epoch, sample_id, static_cast<uint16_t>(position));
  const auto uniform = [](uint32_t word) { return static_cast<double>(word >> 8) * 0x1p-24; };
  return {.choice = uniform(block[0]), .kind = uniform(block[1]), .word = block[2]};
}

uint32_t Replacement(const TokenViewSpec& spec, const PositionDraw& draw, uint32_t token) {
  if (draw.kind < spec.mask_keep) return token;
  if (draw.kind >= spec.mask_keep + spec.mask_random) return spec.mask_token;
  return static_cast<uint32_t>(uint64_t{draw.word} * spec.vocabulary >> 32);
}

// Replaces what is predicted, and lists where.
void Mask(const TokenViewSpec& spec, uint64_t seed, uint32_t epoch, TokenView* view) {
  CheckLength(view->inputs.size());
  const std::vector<uint32_t> special_tokens = Ascending(spec.special_tokens);
  std::vector<PositionDraw> draws(view->inputs.size());
  size_t smallest = draws.size();
  for (size_t position = 0; position < draws.size(); ++position) {
    if (std::ranges::binary_search(special_tokens, view->inputs[position])) continue;
    draws[position] = DrawPosition(seed, epoch, view->sample_id, position);
    if (draws[position].choice < spec.mask) view->positions.push_back(static_cast<uint32_t>(position));
    if (smallest == draws.size() || draws[position].choice < draws[smallest].choice) smallest = position;
  }
  if (view->positions.empty() && smallest < draws.size()) view->positions.push_back(static_cast<uint32_t>(smallest));
  for (const uint32_t position : view->positions) {
    view->inputs[position] = Replacement(spec, draws[position], view->inputs[position]);
  }
}

uint16_t Fingerprint(const TokenView& view, bool masked) {
  std::vector<uint32_t> words = {static_cast<uint32_t>(view.inputs.size())};
  if (masked) {
    for (const uint32_t position : view.positions) words.insert(words.end(), {position, view.inputs[position]});
  }
  return static_cast<uint16_t>(std::min<uint64_t>(Xxh3(Bytes(words)) & 0xffff, 0xfffe));
}

}  // namespace

void TokenViewSpec::Validate() const {
  CheckRange("mask", mask, 1);
  if (mask == 0) return;
  CheckRange("mask_random", mask_random, 1);
  CheckRange("mask_keep", mask_keep, 1 - mask_random);
  CheckToken("mask_token", mask_token, vocabulary);
  for (const uint32_t token : special_tokens) CheckToken("special_tokens", token, vocabulary);
}

nlohmann::json TokenViewIdentity(const TokenViewSpec& spec) {
  nlohmann::json identity = {{"kind", "tokens"}, {"version", kTokenViewVersion}, {"mask", spec.mask}};
  if (spec.mask == 0) return identity;
  identity["mask_random"] = spec.mask_random;
  identity["mask_keep"] = spec.mask_keep;
  identity["mask_token"] = spec.mask_token;
  identity["vocabulary"] = spec.vocabulary;
  identity["special_tokens"] = Ascending(spec.special_tokens);
  return identity;
}

TokenViewSpec TokenViewSpecFromIdentity(const nlohmann::json& identity) {
  TokenViewSpec spec;
  try {
    identity.at("mask").get_to(spec.mask);
    if (spec.mask != 0) {
      identity.at("mask_random").get_to(spec.mask_random);
      identity.at("mask_keep").get_to(spec.mask_keep);
      spec.mask_token = Word(identity.at("mask_token"));
      spec.vocabulary = Word(identity.at("vocabulary"));
      for (const nlohmann::json& token : identity.at("special_tokens")) spec.special_tokens.push_back(Word(token));
    }
  } catch (const nlohmann::json::exception&) {
    // Falls through to the comparison, which fails.
  }
  if (TokenViewIdentity(spec) != identity) {
    Fail(ErrorCode::kMismatch, "views: this build has version {} of the views of tokens, the store has {}",
         kTokenViewVersion, identity.dump());
  }
  return spec;
}

TokenView DrawTokenView(const TokenViewSpec& spec, uint64_t seed, uint32_t epoch, uint64_t sample_id,
                        std::vector<uint32_t> tokens) {
  TokenView view = {.sample_id = sample_id, .inputs = std::move(tokens)};
  view.hash = Xxh3(Bytes(view.inputs));
  if (spec.mask > 0) {
    Mask(spec, seed, epoch, &view);
  } else {
    view.positions.resize(view.inputs.size());
    std::iota(view.positions.begin(), view.positions.end(), 0);
  }
  view.fingerprint = Fingerprint(view, spec.mask > 0);
  return view;
}

TokenViewer::TokenViewer(const TokenSource& source, const TokenViewSpec& spec, const OrderSpec& order, uint64_t seed)
    : source_(source), spec_(spec), order_(order), seed_(seed) {
  spec.Validate();
  if (spec.mask > 0) CheckLength(source.max_tokens());
}

nlohmann::json TokenViewer::Identity() const {
  return {{"dataset", source_.Identity()},
          {"views", TokenViewIdentity(spec_)},
          {"order", OrderIdentity(order_)},
          {"seed", seed_}};
}

TokenView TokenViewer::ViewAt(const Order& order, uint32_t epoch, uint64_t position) const {
  const uint64_t sample_id = order.SampleAt(position);
  std::vector<uint32_t> tokens;
  source_.ReadTokens(sample_id, &tokens);
  return DrawTokenView(spec_, seed_, epoch, sample_id, std::move(tokens));
}

}  // namespace decant
