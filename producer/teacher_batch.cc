#include "decant/producer/batch_renderer.h"

namespace decant {

void LabelTeacherBatch(Teacher& teacher, const TeacherBatch& batch, LabelSelector* selector, LabelBatch* labels) {
  if (batch.windows.empty()) {
    teacher.Label(batch.images.data(), batch.views, selector, labels);
  } else {
    teacher.LabelTokens(batch.tokens, selector, labels);
    for (const TokenView& view : batch.windows) labels->window_hashes.push_back(view.hash);
  }
  if (!selector->params().view_fingerprints) return;
  labels->view_fingerprints.insert(labels->view_fingerprints.end(), batch.fingerprints.begin(),
                                   batch.fingerprints.end());
}

void TeacherBatchLogits(Teacher& teacher, const TeacherBatch& batch, std::vector<float>* logits) {
  if (batch.windows.empty()) {
    teacher.Logits(batch.images.data(), batch.views.size(), logits);
  } else {
    teacher.TokenLogits(batch.tokens, logits);
  }
}

}  // namespace decant
