use crate::config::quantity::Interval;
use crate::config::read::section;
use crate::config::scalar::{Weight, names};
use crate::config::secret::Secret;

section! {
    /// Where candidates for a fix come from.
    pub struct GeneratorSection {
        /// The sources to use; the lowest priority is tried first.
        fix_strategies: Vec<FixStrategy>,
        /// How many candidates are tried for one defect.
        max_fix_attempts: u32 [1..=100],
        /// How long one defect may take, from its reproduction to its last verdict.
        timeout: Interval [Interval::from_secs(1)..=Interval::from_days(1)],
        /// How long the search for a reproducer of one crash may take of that.
        reproduction_timeout: Interval [Interval::from_secs(1)..=Interval::from_days(1)],
        /// How long Go's own fuzzer may take of that, its build not counted; none where it is not used.
        fuzz_timeout: Option<Interval>,
        /// The model to ask when rules and memory have no answer.
        ai_model: AiModelSection,
    }
}

impl GeneratorSection {
    /// The sources in the order in which they are tried where nothing has been learnt, each once.
    #[must_use]
    pub fn strategies(&self) -> Vec<FixStrategy> {
        let mut by_rank: Vec<_> = self.fix_strategies.iter().collect();
        by_rank.sort_by(|a, b| a.priority.cmp(&b.priority).then(b.weight().total_cmp(&a.weight())));
        let mut order: Vec<FixStrategy> = Vec::new();
        for strategy in by_rank {
            if order.iter().all(|known| known.r#type != strategy.r#type) {
                order.push(strategy.clone());
            }
        }
        order
    }
}

section! {
    /// One source of candidates.
    pub struct FixStrategy {
        /// Which.
        r#type: StrategyType,
        /// Its rank; lower is earlier.
        priority: u32 [0..=1_000],
        /// How much it counts among those of one rank.
        weight: Option<Weight>,
    }
}

impl FixStrategy {
    /// How much it counts among those of one rank: 1 where nothing is said.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight.map_or(1.0, Weight::get)
    }
}

names! {
    /// The sources of candidates.
    pub enum StrategyType {
        /// A fix that held for the same or a similar error.
        Recalled = "recalled",
        /// The rules that edit the syntax tree. The three further names are those of the original
        /// project, whose strategies are rules here.
        Rule = "rule" | "null_check" | "exception_handling" | "resource_cleanup",
        /// A language model.
        Model = "model" | "ai",
    }
}

section! {
    /// A language model.
    pub struct AiModelSection {
        /// Who serves it.
        provider: ModelProvider,
        /// Which one, by the provider's name for it.
        model: Option<String>,
        /// The key to the provider.
        api_key: Option<Secret>,
        /// How freely it answers.
        temperature: f64 [0.0..=2.0],
        /// The longest answer.
        max_tokens: u32 [1..=1_000_000],
        /// What becomes of an answer that is proven.
        fix_mode: FixMode,
    }
}

names! {
    /// Who serves models.
    pub enum ModelProvider {
        /// Nobody: no model is asked and nothing leaves the machine.
        None = "none",
        /// OpenAI.
        OpenAi = "openai",
        /// Anthropic.
        Anthropic = "anthropic",
        /// Google.
        Google = "google",
    }
}

names! {
    /// What becomes of a proven fix.
    pub enum FixMode {
        /// It is shown.
        Suggest = "suggest",
        /// It is handed to deployment.
        Direct = "direct",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_ordered_and_named_once() {
        let strategy = |r#type, priority, weight| {
            let weight = Weight::new(weight);
            FixStrategy { r#type, priority, weight }
        };
        let mut generator = crate::config::Config::built_in().unwrap().generator;
        generator.fix_strategies = vec![
            strategy(StrategyType::Model, 2, 0.5),
            strategy(StrategyType::Rule, 2, 0.75),
            strategy(StrategyType::Rule, 9, 1.0),
            strategy(StrategyType::Recalled, 1, 0.0),
        ];
        let order: Vec<_> = generator.strategies().iter().map(|strategy| strategy.r#type).collect();
        assert_eq!(order, [StrategyType::Recalled, StrategyType::Rule, StrategyType::Model]);
    }
}
