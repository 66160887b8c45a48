# A thin front to CMake: the presets do the work (cmake --list-presets).
PRESET ?= release
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
BUILD = build/$(PRESET)

.PHONY: all programs demo check check-offline check-full sanitize fuzz bench install clean faults soak scale

all:
	tools/install-dependencies build
	cmake --preset $(PRESET)
	cmake --build --preset $(PRESET) --parallel $(JOBS)

# What is installed, without the tests.
programs:
	tools/install-dependencies build
	cmake --preset $(PRESET)
	cmake --build --preset $(PRESET) --parallel $(JOBS) --target pixgrepd pixgrep pixgrep-decode bundled

# Searches real pictures with the bundled model; make demo PHOTOS=~/Pictures searches yours.
demo:
	@tools/demo

# Everything that runs in minutes; ends with the counts.
check:
	tools/install-dependencies check
	$(MAKE) --no-print-directory all
	tools/run-tests $(PRESET) --parallel $(JOBS)

# The same where there is no network at all, but for the tests' own server on a loopback that is theirs alone.
check-offline:
	tools/install-dependencies check
	$(MAKE) --no-print-directory all
	unshare $(shell [ "$$(id -u)" = 0 ] || echo --map-root-user) --net \
	    sh -c 'busybox ip link set lo up && exec tools/run-tests "$$@"' - $(PRESET) --parallel $(JOBS)

# The same tests under ASan + UBSan, then TSan; but for the rules of the house and the kills by strace.
sanitize:
	tools/install-dependencies check
	$(MAKE) --no-print-directory all PRESET=dev
	tools/run-tests dev --parallel $(JOBS) --exclude-regex '^house_|faults'
	$(MAKE) --no-print-directory all PRESET=tsan
	tools/run-tests tsan --parallel $(JOBS) --exclude-regex '^house_|faults'

# Hostile bytes for everything that reads files; make fuzz SECONDS=600 TARGET=zip takes longer over one.
TARGET ?= all
SECONDS ?= 60
fuzz:
	tools/install-dependencies check
	tools/fuzz $(TARGET) $(SECONDS)

# Full-size models against PyTorch: installs python3-torch, takes five minutes on two cores and 6 GB.
check-full: all
	BUILD=$(BUILD) SOURCE=. tests/full/full_size.sh

# What each stage costs beside the machine's limits and the targets; WEIGHTS=FILE and VOCABULARY=FILE are ViT-B/32's.
bench:
	tools/install-dependencies bench
	$(MAKE) --no-print-directory all
	tests/bench/run.sh $(BUILD) build/bench

# Every fault at every place of a small run; FAULTS="others.sh busy" or "calls.sh import kill" takes some of them.
faults: all
	tools/install-dependencies check
	BUILD="$(CURDIR)/$(BUILD)" SOURCE="$(CURDIR)" REFERENCE=none JOBS=$(JOBS) tests/faults/table.sh

# A night of pixgrepd watch in twenty minutes, with all that can happen to it; MINUTES=2 is a quick look, SEED=N the same events again.
MINUTES ?= 20
soak: all
	tools/install-dependencies check
	MINUTES="$(MINUTES)" SEED="$(SEED)" BUILD="$(CURDIR)/$(BUILD)" SOURCE="$(CURDIR)" REFERENCE=none tests/faults/soak.sh

# A million files that hold a thousand pictures; FILES=100000 is quicker.
FILES ?= 1000000
scale: programs
	tests/bench/scale.sh $(BUILD) $(FILES)

install: all
	DESTDIR="$(DESTDIR)" cmake --install $(BUILD) --prefix "$(PREFIX)"

clean:
	rm -rf build
