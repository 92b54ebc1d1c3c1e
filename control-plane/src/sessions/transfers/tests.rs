use super::*;
use dataguardian_core::failure::FailureKind;

#[tokio::test]
async fn pieces_come_out_in_order_and_the_end_is_told() {
    let (transfers, agent) = (Transfers::default(), AgentId::new());
    let (id, mut incoming) = transfers.open(agent, 1).unwrap();
    let outgoing = transfers.claim(agent, id).unwrap();
    let sending = async {
        for piece in 0..100_u8 {
            outgoing.piece(vec![piece]).await.unwrap();
        }
        outgoing.whole().await
    };
    let reading = async {
        let mut read = Vec::new();
        while let Some(piece) = incoming.next().await.unwrap() {
            read.extend(piece);
        }
        drop(incoming);
        read
    };
    let (sent, read) = tokio::join!(sending, reading);
    assert_eq!(sent, Ok(()));
    assert_eq!(read, (0..100).collect::<Vec<u8>>());
}

#[tokio::test]
async fn it_is_claimed_once_and_by_its_own_agent() {
    let (transfers, agent) = (Transfers::default(), AgentId::new());
    let (id, _incoming) = transfers.open(agent, 1).unwrap();
    assert!(transfers.claim(AgentId::new(), id).is_none(), "another agent");
    assert!(transfers.claim(agent, TransferId::new()).is_none(), "another id");
    let _outgoing = transfers.claim(agent, id).expect("whoever tried changed nothing");
    assert!(transfers.claim(agent, id).is_none(), "a second time");
}

#[tokio::test]
async fn there_are_no_more_than_may_be() {
    let (transfers, agent) = (Transfers::default(), AgentId::new());
    let (id, first) = transfers.open(agent, 1).unwrap();
    assert_eq!(transfers.open(agent, 1).err(), Some(Busy));
    transfers.open(AgentId::new(), 1).expect("of another agent");
    let outgoing = transfers.claim(agent, id).unwrap();
    drop(first);
    assert_eq!(outgoing.piece(vec![1]).await, Err(NotTaken::Left));
    transfers.open(agent, 1).expect("the first one is over");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_begin_comes_too_late() {
    let (transfers, agent) = (Transfers::default(), AgentId::new());
    let (id, mut incoming) = transfers.open(agent, 1).unwrap();
    assert_eq!(incoming.next().await, Err(Broken::NotBegun));
    assert!(transfers.claim(agent, id).is_none());
}

#[tokio::test]
async fn a_script_that_is_not_whole_never_ends_well() {
    let (transfers, agent) = (Transfers::default(), AgentId::new());
    let (id, mut incoming) = transfers.open(agent, 1).unwrap();
    let outgoing = transfers.claim(agent, id).unwrap();
    outgoing.piece(vec![1]).await.unwrap();
    drop(outgoing);
    assert_eq!(incoming.next().await, Ok(Some(vec![1])));
    assert_eq!(incoming.next().await, Err(Broken::AgentLeft));
    drop(incoming);

    let (id, mut incoming) = transfers.open(agent, 1).unwrap();
    let outgoing = transfers.claim(agent, id).unwrap();
    let failure = Failure::new(FailureKind::RepositoryDamaged, "pack abc is damaged");
    let failing = outgoing.failed(failure.clone());
    let reading = async {
        let read = incoming.next().await;
        drop(incoming);
        read
    };
    let (_, read) = tokio::join!(failing, reading);
    assert_eq!(read, Err(Broken::Failed(failure)));
}

#[tokio::test]
async fn an_agent_whose_identity_ends_sends_nothing_more() {
    let (transfers, agent) = (Transfers::default(), AgentId::new());
    let (id, mut incoming) = transfers.open(agent, 1).unwrap();
    let outgoing = transfers.claim(agent, id).unwrap();
    transfers.end_of(AgentId::new());
    outgoing.piece(vec![1]).await.unwrap();
    assert_eq!(incoming.next().await, Ok(Some(vec![1])));
    transfers.end_of(agent);
    assert_eq!(outgoing.piece(vec![2]).await, Err(NotTaken::Left));
    assert_eq!(incoming.next().await, Err(Broken::Ended));
    drop(incoming);

    // Whoever waits for a piece meanwhile learns it as well, and not that the agent left.
    let (id, mut incoming) = transfers.open(agent, 1).unwrap();
    let outgoing = transfers.claim(agent, id).unwrap();
    let cutting_off = async {
        transfers.end_of(agent);
        drop(outgoing);
    };
    let (heard, ()) = tokio::join!(incoming.next(), cutting_off);
    assert_eq!(heard, Err(Broken::Ended));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_not_waited_for_for_ever() {
    let (transfers, agent) = (Transfers::default(), AgentId::new());
    let (id, mut incoming) = transfers.open(agent, 1).unwrap();
    let outgoing = transfers.claim(agent, id).unwrap();
    for _ in 0..AHEAD {
        outgoing.piece(vec![0]).await.unwrap();
    }
    assert_eq!(outgoing.piece(vec![0]).await, Err(NotTaken::Slow));
    drop(outgoing);
    for _ in 0..AHEAD {
        assert_eq!(incoming.next().await, Ok(Some(vec![0])));
    }
    assert_eq!(incoming.next().await, Err(Broken::Stalled));
}
