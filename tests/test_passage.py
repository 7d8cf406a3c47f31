"""The return path: four cycles from pin to pin, whatever passes."""

import random

from hdl.filter.passage import Passage
from tests.cycles import simulate


def test_everything_comes_out_four_cycles_later_as_it_was():
    passage = Passage()
    rng = random.Random(2)
    sent = [(rng.randrange(256), rng.random() < 0.5, rng.random() < 0.1) for _ in range(300)]

    async def bench(ctx):
        for cycle, (data, valid, error) in enumerate(sent):
            ctx.set(passage.rx_data, data)
            ctx.set(passage.rx_dv, valid)
            ctx.set(passage.rx_er, error)
            if cycle >= 4:
                out = (ctx.get(passage.tx_data), ctx.get(passage.tx_en), ctx.get(passage.tx_er))
                assert out == sent[cycle - 4]
                assert ctx.get(passage.active) == any(valid for _, valid, _ in sent[cycle - 4 : cycle + 1])
            await ctx.tick()

    simulate(passage, bench)
