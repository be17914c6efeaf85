#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "decant/data/token_view.h"
#include "decant/data/view_renderer.h"
#include "decant/producer/select.h"
#include "decant/producer/teacher.h"

namespace decant {

// Views as a teacher is shown them: images or windows of tokens.
struct TeacherBatch {
  std::vector<SelectedView> views;     // [n] of images
  std::vector<uint8_t> images;         // [n, H, W, C]
  std::vector<TokenView> windows;      // [n]
  std::vector<TokenWindow> tokens;     // [n] the same for the teacher; they point into `windows` and `true_classes`
  std::vector<uint16_t> fingerprints;  // [n] of the views

  // Where windows keep their true classes, [n, number of labelled positions].
  std::vector<std::vector<uint32_t>> true_classes;
};

// Appends the soft labels of a batch, with its fingerprints when the selector's labels have them.
void LabelTeacherBatch(Teacher& teacher, const TeacherBatch& batch, LabelSelector* selector, LabelBatch* labels);
// What a batch's labels are for: its images, or the labelled positions of its windows.
std::vector<SelectedView> LabelledViews(const TeacherBatch& batch);
// Logits of a batch, [labels, classes], row by row.
void TeacherBatchLogits(Teacher& teacher, const TeacherBatch& batch, std::vector<float>* logits);

// Makes batches of views. Immutable; thread-safe.
class BatchRenderer {
 public:
  virtual ~BatchRenderer() = default;
  // Makes batches[e], in re-used memory, the views at `positions` in epoch `epoch + e`: epochs that share an order.
  // Each sample is decoded once for all of them, and once for itself and as its neighbour's partner. kDataLoss, naming
  // the sample, when it cannot be decoded.
  virtual void Render(uint32_t epoch, std::span<const uint64_t> positions, std::span<TeacherBatch> batches) const = 0;
};

// `views` must outlive the renderer.
std::unique_ptr<BatchRenderer> MakeImageBatchRenderer(const ViewRenderer& views);
// The true class of a position is the sample's own token there where views are masked, and the next token where they
// are not; the last position of a window has none, and gets its own token.
std::unique_ptr<BatchRenderer> MakeTokenBatchRenderer(const TokenViewer& views);

}  // namespace decant
