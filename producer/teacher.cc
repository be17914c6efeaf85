#include "decant/producer/teacher.h"

#include <algorithm>
#include <cstring>

#include <torch/torch.h>

#include "decant/base/error.h"
#include "decant/base/hash.h"
#include "decant/base/random.h"

#include "ensemble.h"
#include "rank_on_device.h"
#include "teacher_device.h"
#include "teacher_errors.h"

namespace decant {
namespace {

// Rows of logits that are selected together have so many numbers at most, or are one row.
constexpr int64_t kNumbersAtOnce = 1 << 24;
constexpr int64_t kProbeRows = 256;

// The bytes of one member of the probe batch: Philox blocks one after the other.
void FillProbe(uint64_t member, char* bytes, size_t size) {
  for (size_t begin = 0; begin < size; begin += 16) {
    const size_t block = begin / 16;
    const auto words = PhiloxBlock(0, RandomPurpose::kTeacherProbe, static_cast<uint32_t>(block >> 16), member,
                                   static_cast<uint16_t>(block & 0xffff));
    std::memcpy(bytes + begin, words.data(), std::min<size_t>(16, size - begin));
  }
}

torch::Tensor ToHost(const torch::Tensor& logits) {
  return logits.to(torch::kFloat32).to(torch::kCPU).contiguous();
}

// The labelled places of windows, as rows of the logits of a batch.
struct TokenRows {
  std::vector<SelectedView> views;
  std::vector<int64_t> rows;
  std::vector<uint32_t> window_ends;
};

void CheckWindow(const TokenWindow& window, uint32_t max_tokens) {
  if (window.tokens.empty() || window.tokens.size() > max_tokens) {
    Fail(ErrorCode::kInvalidArgument, "sample {} has {} tokens, but the teacher takes 1 to {}", window.sample_id,
         window.tokens.size(), max_tokens);
  }
  for (const uint32_t position : window.positions) {
    if (position < window.tokens.size()) continue;
    Fail(ErrorCode::kInvalidArgument, "sample {}: position {} of {} tokens", window.sample_id, position,
         window.tokens.size());
  }
  if (!window.true_classes.empty() && window.true_classes.size() != window.positions.size()) {
    Fail(ErrorCode::kInvalidArgument, "sample {}: {} true classes for {} positions", window.sample_id,
         window.true_classes.size(), window.positions.size());
  }
}

// A token that a network does not know is the likeliest reason why it fails.
std::string DescribeWindows(std::span<const TokenWindow> windows) {
  uint32_t largest = 0;
  uint64_t sample_id = 0;
  for (const TokenWindow& window : windows) {
    for (const uint32_t token : window.tokens) {
      if (token >= largest) sample_id = window.sample_id;
      largest = std::max(largest, token);
    }
  }
  return fmt::format("a batch of windows whose largest token id is {} (sample {}; is data.dtype right?)", largest,
                     sample_id);
}

}  // namespace

struct Teacher::Impl {
  Impl(const TeacherOptions& an_options, const TeacherInput& an_input)
      : options(an_options), input(an_input), networks(an_options, an_input) {}

  // Runs `body` as this teacher computes, and translates what LibTorch throws; `what` is what it runs on.
  template <typename Body>
  auto Compute(const Body& body, const std::string& what = "a batch") const {
    try {
      const ComputeScope scope(networks.device(), options.threads);
      return body();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      FailToRun(networks.Names(), what, error);
    }
  }
  torch::Tensor ForwardImages(const uint8_t* images, size_t n) const;
  // Labels of the rows `rows` (int64 on the host) of `logits` [any, classes].
  void Select(const torch::Tensor& logits, const torch::Tensor& rows, std::span<const SelectedView> views,
              LabelSelector* selector, LabelBatch* labels) const;
  void SelectPart(const torch::Tensor& logits, std::span<const SelectedView> views, LabelSelector* selector,
                  LabelBatch* labels) const;
  TokenRows PlaceWindows(std::span<const TokenWindow> windows, const torch::Tensor& batch,
                         const torch::Tensor& mask) const;
  torch::Tensor ProbeLogits() const;

  TeacherOptions options;
  TeacherInput input;
  Ensemble networks;
};

torch::Tensor Teacher::Impl::ForwardImages(const uint8_t* images, size_t n) const {
  if (input.tokens > 0 || n > options.batch_size) {
    Fail(ErrorCode::kInternal, "{} images at once for a teacher of {}", n, input.tokens > 0 ? 0 : options.batch_size);
  }
  const torch::Tensor batch = networks.NewBatch();
  std::memcpy(batch.data_ptr(), images, n * input.image.num_bytes());
  return networks.Forward(batch, {});
}

void Teacher::Impl::Select(const torch::Tensor& logits, const torch::Tensor& rows, std::span<const SelectedView> views,
                           LabelSelector* selector, LabelBatch* labels) const {
  const int64_t num_rows = rows.size(0);
  const int64_t at_once = std::max<int64_t>(1, kNumbersAtOnce / networks.num_classes());
  for (int64_t begin = 0; begin < num_rows; begin += at_once) {
    const int64_t count = std::min(at_once, num_rows - begin);
    const torch::Tensor part = logits.index_select(0, rows.narrow(0, begin, count).to(networks.device()));
    SelectPart(part.to(torch::kFloat32), views.subspan(begin, count), selector, labels);
  }
}

// A GPU ranks its rows itself where labels are a ranking, and only the listed entries leave it. A row with numbers that
// are not finite leaves it whole: the selector says which.
void Teacher::Impl::SelectPart(const torch::Tensor& logits, std::span<const SelectedView> views,
                               LabelSelector* selector, LabelBatch* labels) const {
  const CodecParams& params = selector->params();
  const bool is_ranking = selector->selection().kind != Selection::kSample && !params.logits();
  RankedRows ranked;
  torch::Tensor on_host;
  if (is_ranking && !networks.device().is_cpu()) {
    std::vector<uint32_t> true_classes;
    for (const SelectedView& view : views) true_classes.push_back(view.true_class);
    ranked = RankOnDevice(logits, params.k, params.temperatures, true_classes);
  } else {
    on_host = ToHost(logits);
  }
  for (size_t i = 0; i < views.size(); ++i) {
    try {
      if (!on_host.defined() && ranked.all_finite[i]) {
        selector->AppendRanked(ranked.Row(i), views[i], labels);
      } else {
        const auto row = static_cast<int64_t>(i);
        const torch::Tensor whole = on_host.defined() ? on_host[row] : ToHost(logits[row]);
        selector->Append({whole.data_ptr<float>(), static_cast<size_t>(whole.numel())}, views[i], labels);
      }
    } catch (const Error& error) {
      const std::string position = input.tokens > 0 ? fmt::format(" at position {}", views[i].position) : "";
      Fail(error.code(), "the teacher's logits for sample {} in epoch {}{}: {}", views[i].sample_id, views[i].epoch,
           position, error.what());
    }
  }
}

TokenRows Teacher::Impl::PlaceWindows(std::span<const TokenWindow> windows, const torch::Tensor& batch,
                                      const torch::Tensor& mask) const {
  if (windows.size() > options.batch_size || input.tokens == 0) {
    Fail(ErrorCode::kInternal, "{} windows at once for a teacher of {}", windows.size(),
         input.tokens == 0 ? 0 : options.batch_size);
  }
  TokenRows placed;
  int64_t begin = 0;
  for (const TokenWindow& window : windows) {
    CheckWindow(window, input.tokens);
    std::copy(window.tokens.begin(), window.tokens.end(), batch.data_ptr<int64_t>() + begin);
    std::fill_n(mask.data_ptr<int64_t>() + begin, window.tokens.size(), 1);
    for (size_t i = 0; i < window.positions.size(); ++i) {
      const uint32_t true_class = window.true_classes.empty() ? 0 : window.true_classes[i];
      placed.views.push_back({window.epoch, window.sample_id, true_class, window.positions[i]});
      placed.rows.push_back(begin + window.positions[i]);
    }
    placed.window_ends.push_back(static_cast<uint32_t>(placed.views.size()));
    begin += input.tokens;
  }
  return placed;
}

torch::Tensor Teacher::Impl::ProbeLogits() const {
  const torch::Tensor batch = networks.NewBatch();
  const size_t member_bytes = batch.nbytes() / options.batch_size;
  for (uint32_t member = 0; member < options.batch_size; ++member) {
    FillProbe(member, static_cast<char*>(batch.data_ptr()) + member * member_bytes, member_bytes);
  }
  torch::Tensor mask;
  if (input.tokens > 0) {
    batch.bitwise_and_(0x7fffffff).remainder_(networks.num_classes());
    mask = torch::ones_like(batch);
  }
  const torch::Tensor logits = networks.Forward(batch, mask).reshape({-1, networks.num_classes()});
  const int64_t num_rows = std::min(logits.size(0), kProbeRows);
  const torch::Tensor rows = torch::arange(num_rows).mul_(logits.size(0) / num_rows);
  return ToHost(logits.index_select(0, rows.to(networks.device())));
}

Teacher::Teacher(const TeacherOptions& options, const TeacherInput& input) {
  try {
    impl_ = std::make_unique<Impl>(options, input);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    FailToRun(fmt::format("{}", fmt::join(options.path, ", ")), "a batch", error);
  }
}

Teacher::~Teacher() = default;

uint32_t Teacher::num_classes() const {
  return static_cast<uint32_t>(impl_->networks.num_classes());
}
uint32_t Teacher::batch_size() const {
  return impl_->options.batch_size;
}
uint64_t Teacher::num_parameters() const {
  return impl_->networks.num_parameters();
}
nlohmann::json Teacher::Identity() const {
  return impl_->networks.Identity();
}

void Teacher::Logits(const uint8_t* images, size_t n, std::vector<float>* logits) {
  const Impl& self = *impl_;
  const size_t batch_size = self.options.batch_size;
  logits->resize(n * num_classes());
  self.Compute([&] {
    for (size_t begin = 0; begin < n; begin += batch_size) {
      const size_t count = std::min(batch_size, n - begin);
      const torch::Tensor rows = ToHost(self.ForwardImages(images + begin * self.input.image.num_bytes(), count));
      std::copy_n(rows.data_ptr<float>(), count * num_classes(), logits->begin() + begin * num_classes());
    }
  });
}

void Teacher::Label(const uint8_t* images, std::span<const SelectedView> views, LabelSelector* selector,
                    LabelBatch* labels) {
  const Impl& self = *impl_;
  self.Compute([&] {
    const torch::Tensor logits = self.ForwardImages(images, views.size());
    self.Select(logits, torch::arange(static_cast<int64_t>(views.size())), views, selector, labels);
  });
}

void Teacher::TokenLogits(std::span<const TokenWindow> windows, std::vector<float>* logits) {
  const Impl& self = *impl_;
  self.Compute(
      [&] {
        const torch::Tensor batch = self.networks.NewBatch();
        const torch::Tensor mask = self.networks.NewBatch();
        const TokenRows placed = self.PlaceWindows(windows, batch, mask);
        const torch::Tensor all = self.networks.Forward(batch, mask).reshape({-1, self.networks.num_classes()});
        const torch::Tensor rows = torch::tensor(placed.rows, torch::kInt64).to(self.networks.device());
        const torch::Tensor on_host = ToHost(all.index_select(0, rows));
        logits->assign(on_host.data_ptr<float>(), on_host.data_ptr<float>() + on_host.numel());
      },
      DescribeWindows(windows));
}

void Teacher::LabelTokens(std::span<const TokenWindow> windows, LabelSelector* selector, LabelBatch* labels) {
  const Impl& self = *impl_;
  const auto first_label = static_cast<uint32_t>(labels->size());
  self.Compute(
      [&] {
        const torch::Tensor batch = self.networks.NewBatch();
        const torch::Tensor mask = self.networks.NewBatch();
        const TokenRows placed = self.PlaceWindows(windows, batch, mask);
        const torch::Tensor logits = self.networks.Forward(batch, mask).reshape({-1, self.networks.num_classes()});
        self.Select(logits, torch::tensor(placed.rows, torch::kInt64), placed.views, selector, labels);
        for (const uint32_t end : placed.window_ends) labels->window_offsets.push_back(first_label + end);
      },
      DescribeWindows(windows));
}

std::string Teacher::ProbeDigest() {
  const Impl& self = *impl_;
  return self.Compute([&] {
    const torch::Tensor logits = self.ProbeLogits();
    const torch::Tensor again = self.ProbeLogits();
    if (std::memcmp(logits.data_ptr(), again.data_ptr(), logits.nbytes()) != 0) {
      Fail(ErrorCode::kInvalidArgument,
           "teacher {}: the same batch has other logits when it is run again; is dropout, or another random operation, "
           "left on?",
           self.networks.Names());
    }
    Xxh3Stream digest;
    digest.Update(logits.data_ptr(), logits.nbytes());
    return Hex(digest.Digest());
  });
}

std::string LibTorchVersion() {
  return TORCH_VERSION;
}

}  // namespace decant
