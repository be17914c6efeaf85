#pragma once

#include <cstdint>
#include <vector>

#include "decant/data/order.h"
#include "decant/data/source.h"
#include "decant/data/view.h"

namespace decant {

// Who is in a view: the sample at a position, and the partner that is mixed in.
struct View {
  uint64_t sample_id = 0;
  uint64_t partner_id = 0;  // equal to sample_id when the view is not mixed
  ViewParams params;

  // Share of the sample itself, in [0, 1]; the rest is the partner's.
  double own_share() const { return partner_id == sample_id ? 1.0 : params.own_share / 65536.0; }
};

// Renders what teacher and student see: the same pixels for both, or the same view at another size. Operations and
// their order: ViewSpec. The same bytes on every machine: numbers are integers, or floats without fused multiply-add.
// Immutable; thread-safe. A thread keeps scratch memory of a few images.
class ViewRenderer {
 public:
  // Renders views of `shape`. `source` must outlive the renderer. kInvalidArgument for a spec or a shape out of bounds,
  // for colours of images that have neither 1 nor 3 channels, and for a shape that is not spec.size when an operation
  // depends on the size.
  ViewRenderer(const ImageSource& source, const ViewSpec& spec, const OrderSpec& order, uint64_t seed,
               const ImageShape& shape);

  const ImageSource& source() const { return source_; }
  // Of every rendered view.
  const ImageShape& shape() const { return shape_; }
  // Dataset, views, order and seed, as a schema records them.
  nlohmann::json Identity() const;

  // The view at `position` of `epoch`. The partner is the neighbour in the order, the sample at position XOR 1; the odd
  // last sample has none.
  View ViewAt(const Order& order, uint32_t epoch, uint64_t position) const;
  Order OrderOf(uint32_t epoch) const { return Order(order_, seed_, epoch, source_.num_samples()); }

  // Writes the view's pixels, shape().num_bytes() bytes, HWC, and returns its fingerprint. `own` and `partner` are the
  // images of view.sample_id and view.partner_id; `partner` is not read when the two are one. kInvalidArgument, naming
  // the sample, for an image that the views cannot be made of.
  uint16_t Render(const View& view, uint32_t epoch, const Image& own, const Image& partner, uint8_t* pixels) const;
  // The same with images that it reads from the source.
  uint16_t Render(const View& view, uint32_t epoch, uint8_t* pixels) const;

  // 16 bits of a hash over the samples, the sizes of their images, and all that was drawn for the view; the same at
  // every size of view. Never 0xffff. kInvalidArgument for an image without pixels.
  uint16_t Fingerprint(const View& view, uint32_t epoch, const ImageShape& own, const ImageShape& partner) const;

 private:
  RelativeBox CropOf(uint64_t sample_id, uint32_t epoch, const ImageShape& image) const;
  void RenderOne(uint64_t sample_id, uint32_t epoch, const ViewParams& params, const Image& image,
                 uint8_t* pixels) const;
  void Scale(uint64_t sample_id, uint32_t epoch, const Image& image, uint8_t* pixels) const;
  void Mix(const ViewParams& params, const uint8_t* partner, uint8_t* pixels) const;

  const ImageSource& source_;
  ViewSpec spec_;
  OrderSpec order_;
  uint64_t seed_;
  ImageShape shape_;
};

}  // namespace decant
