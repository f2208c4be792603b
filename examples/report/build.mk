# ---- the report. What is measured or trained for it is made once and kept below build/report, so that
# the page is a function of its inputs: the same twice gives the same bytes. RUN=DIR: of that run. What is
# timed waits until nothing else runs ----
REPORT   := build/report
RUN      ?= $(REPORT)/listops-ski
$(REPORT)/bench.jsonl: | $(BUILD)/bench $(BUILD)/report $(SHOWN_MUTANTS) $(REPORT)/text.done $(if $(filter $(REPORT)/%,$(RUN)),$(REPORT)/listops-ski.done)
	@mkdir -p $(@D)
	$(BUILD)/bench --filter op/tno/train,op/ski/train,op/fd/train,op/attention/train --n 128,256,512,1024,2048,4096 \
	  --batch 1 --dim 64 --threads 1 --repeats 7 --seconds 12 --json $@.part
	mv $@.part $@
$(REPORT)/listops-ski.done: | $(BUILD)/train_lra $(BUILD)/lra_data $(SHOWN_MUTANTS)
	$(BUILD)/lra_data generate listops --out $(REPORT)/data/listops --seed 1 --train 20000 --val 500 --test 500 --min-length 11 --max-length 100 --force
	$(BUILD)/train_lra --task listops --recipe tiny --mixer ski --data $(REPORT)/data --out $(REPORT)/listops-ski \
	  --steps 1500 --max-length 128 --profile --eval-every 150 --threads 1 --force --quiet
	touch $@
$(REPORT)/text.done: | $(BUILD)/train_lm $(SHOWN_MUTANTS)
	@mkdir -p $(@D)
	cat README.md autograd/README.md core/README.md data/README.md examples/README.md >$(REPORT)/text.txt
	$(BUILD)/train_lm --data $(REPORT)/text.txt --recipe demo --mixer tno --steps 400 --out $(REPORT)/text-tno \
	  --ngram 0 --sample-tokens 0 --threads 1 --force --quiet
	touch $@
report: $(BUILD)/report $(SHOWN_MUTANTS) $(REPORT)/bench.jsonl $(REPORT)/text.done $(if $(filter $(REPORT)/%,$(RUN)),$(REPORT)/listops-ski.done)
	cat $(SHOWN_MUTANTS) >$(REPORT)/mutants.jsonl
	$(BUILD)/report --run '$(RUN)' --text-run $(REPORT)/text-tno --bench $(REPORT)/bench.jsonl --mutants $(REPORT)/mutants.jsonl --out $(REPORT)/report.html
