#pragma once

#include <memory>

#include "decant/data/open_source.h"

#include "locate_dataset.h"

namespace decant {

// Images of a `.npy` file, uint8 [N, H, W] or [N, H, W, C], which stay on disk, and the classes of another one.
std::unique_ptr<ImageSource> OpenNpySource(const DatasetLocation& location, const SourceOptions& options);

// Windows of a stream of tokens, or documents of a file of offsets, cut into windows where they are longer.
std::unique_ptr<TokenSource> OpenTokenFile(const DatasetLocation& location, const SourceOptions& options);

}  // namespace decant
