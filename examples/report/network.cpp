// The picture of the network.
#include "examples/report/pictures.h"
#include "examples/report/sections.h"

namespace skiff::report {

void add_network(Page& page) {
  for (const Picture& p : {block_picture(), gtu_picture()})
    draw(page.values, "network." + p.name, charts::element(p.width, p.height, p.drawing));
}

}  // namespace skiff::report
